"""Streams: addressed by (seed, name, element), and accurate against SciPy and mpmath-made values."""

import hashlib
import math
import threading

import numpy as np
import pytest
from scipy import special, stats

from goodinit import normal
from goodinit.errors import GoodinitError
from goodinit.streams import KeyedStream, RandomStateStream, as_stream

DRAWS = 1_000_000
GOLDEN_NORMAL = ["-0x1.19489474a97abp+0", "0x1.00641f17cf40ap+1", "-0x1.792af00643edap-1", "-0x1.10f51e6f22e5bp+0"]
GOLDEN_UNIFORM = ["0x1.166563133ba7cp-3", "0x1.f46fa6bf43df1p-1"]
GOLDEN_DIGEST = "97baa16c354dac19"
GOLDEN_TRUNCATED = ["-0x1.0698b2d336ff3p+0", "0x1.b3e6ec8e88901p+0"]


def draws(method, *options):
    def draw(seed, name, start, stop):
        return getattr(KeyedStream(seed), method)(name, *options, start, stop)

    return draw


METHODS = {
    "uniform": draws("uniform"),
    "normal": draws("normal"),
    "truncated": draws("truncated_normal", -2.0, 2.0),
    "tail": draws("truncated_normal", 3.0, 4.0),
    "signs": draws("signs"),
}


@pytest.mark.parametrize("method", METHODS)
def test_any_slice_is_the_whole_streams(method):
    whole = METHODS[method](7, "layer", 0, 100_000)
    for start, stop in ((0, 1), (1, 2), (3, 11), (32_767, 32_770), (65_530, 99_999), (50, 50)):
        assert np.array_equal(METHODS[method](7, "layer", start, stop), whole[start:stop])


@pytest.mark.parametrize("method", METHODS)
def test_order_and_threads_change_nothing(method):
    names = [f"layer{i}" for i in range(20)]
    alone = {name: METHODS[method](0, name, 0, 500) for name in names}
    threaded = {}
    threads = [
        threading.Thread(target=lambda n=name: threaded.update({n: METHODS[method](0, n, 0, 500)}))
        for name in reversed(names)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(alone[name], threaded[name]) for name in names)
    assert len({values.tobytes() for values in alone.values()}) == len(names)


def test_seed_and_name_are_kept_apart():
    first = KeyedStream(1).words("1", 0, 4)
    for seed, name in ((11, ""), (1, "11"), (2, "1"), (1, "2")):
        assert not np.array_equal(KeyedStream(seed).words(name, 0, 4), first)


def test_the_words_are_philoxs():
    """The published interface: blake2b-128 of seed, NUL, name is the key, and the raw words follow from counter 0."""
    digest = hashlib.blake2b(b"5\0W1", digest_size=16, person=b"goodinit stream1").digest()
    key = [int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")]
    expected = np.random.Philox(key=np.array(key, dtype=np.uint64)).random_raw(10)
    assert np.array_equal(KeyedStream(5).words("W1", 0, 10), expected)


def test_golden_bits():
    """These bits are a promise to every machine; a change of the algorithm needs a new domain in the key."""
    stream = KeyedStream(0)
    assert [x.hex() for x in stream.normal("W1", 0, 4)] == GOLDEN_NORMAL
    assert [x.hex() for x in stream.uniform("W1", 0, 2)] == GOLDEN_UNIFORM
    assert [x.hex() for x in stream.truncated_normal("W1", -2, 2, 0, 2)] == GOLDEN_TRUNCATED


def test_golden_digest():
    """The same promise for the centre and the tails of 200,000 numbers."""
    stream = KeyedStream(0)
    drawn = [stream.normal("W1", 0, 100_000), *(stream.truncated_normal("W1", low, 4, 0, 50_000) for low in (-1, 3))]
    digest = hashlib.sha256(b"".join(x.astype("<f8").tobytes() for x in drawn))
    assert digest.hexdigest()[:16] == GOLDEN_DIGEST


def test_uniforms_are_uniform_and_never_0_or_1():
    u = KeyedStream(1).uniform("u", 0, DRAWS)
    assert 0 < u.min() < u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3


def test_normals_are_normal():
    x = KeyedStream(1).normal("x", 0, DRAWS)
    assert stats.kstest(x, "norm").pvalue > 1e-3
    assert abs(x.mean()) < 4 / math.sqrt(DRAWS)
    assert abs(x.var() - 1) < 4 * math.sqrt(2 / DRAWS)
    assert abs((x**4).mean() - 3) < 4 * math.sqrt(96 / DRAWS)


def test_different_names_are_uncorrelated():
    x, y = (KeyedStream(1).normal(name, 0, DRAWS) for name in "ab")
    assert abs(np.corrcoef(x, y)[0, 1]) < 4 / math.sqrt(DRAWS)


def test_quantile_agrees_with_scipy_to_a_few_ulp():
    rng = np.random.default_rng(0)
    p = np.concatenate(
        [rng.uniform(0, 0.5, 100_000), 10 ** rng.uniform(-300, -0.31, 100_000), 2.0 ** -np.arange(1, 66)]
    )
    expected = special.ndtri(p)
    ulps = np.abs(normal.quantile_lower(p) - expected) / np.spacing(np.maximum(np.abs(expected), 1e-300))
    assert ulps.max() <= 8  # SciPy's own error reaches 3
    assert np.quantile(ulps, 0.99) <= 4


def test_quantile_is_within_four_ulp_of_the_truth():
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(60):
        rng = np.random.default_rng(1)
        p = np.concatenate([rng.uniform(0, 0.5, 150), 10 ** rng.uniform(-15, -1, 150), [2.0**-65, 0.075, 0.0750001]])
        exact = np.array([float(mpmath.sqrt(2) * mpmath.erfinv(2 * mpmath.mpf(float(q)) - 1)) for q in p])
    assert (np.abs(normal.quantile_lower(p) - exact) / np.spacing(np.abs(exact))).max() <= 4


def test_cdf_inverts_the_quantile():
    for x in (-1e-9, -0.1, -0.674, -1, -2, -5, -8, -20, -37):
        assert normal.cdf_lower(x) == pytest.approx(special.ndtr(x), rel=1e-12)
    assert normal.cdf_lower(0) == 0.5
    assert normal.cdf_lower(-40) == normal.cdf_lower(-math.inf) == 0


@pytest.mark.parametrize(
    ("low", "high"), [(-2, 2), (0.5, 1), (3, 5), (-6, -4), (-8, 0.1), (-math.inf, 1), (-1e-3, 2e-3)]
)
def test_truncated_normals_agree_with_scipy(low, high):
    x = KeyedStream(2).truncated_normal("t", low, high, 0, 200_000)
    assert low <= x.min() <= x.max() <= high
    assert stats.kstest(x, stats.truncnorm(low, high).cdf).pvalue > 1e-3


def test_a_permutation_holds_every_number_once():
    order = KeyedStream(0).permutation("order", 1000)
    assert sorted(order) == list(range(1000))
    firsts = [KeyedStream(seed).permutation("order", 5)[0] for seed in range(2000)]
    assert stats.chisquare(np.bincount(firsts)).pvalue > 1e-3


def test_signs_are_fair():
    signs = KeyedStream(3).signs("s", 0, DRAWS)
    assert set(signs) == {-1.0, 1.0}
    assert abs(signs.mean()) < 4 / math.sqrt(DRAWS)


def test_the_classic_stream_is_numpys_in_order_of_calls():
    stream, numpys = RandomStateStream(3), np.random.RandomState(3)
    assert np.array_equal(stream.normal("W1", 0, 20), numpys.randn(10, 2).ravel())
    assert np.array_equal(stream.uniform("W2", 0, 5), numpys.random_sample(5))
    with pytest.raises(GoodinitError, match="sequential"):
        stream.normal("W1", 3, 5)


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # the point is the legacy global state
    KeyedStream(0).normal("a", 0, 100)
    RandomStateStream(0).normal("a", 0, 100)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("seed", [-1, 1.5, True, "3", None])
def test_a_wrong_seed_is_refused(seed):
    with pytest.raises(GoodinitError, match="integer of at least 0"):
        KeyedStream(seed)


def test_large_seeds():
    assert KeyedStream(2**200).normal("a", 0, 1).size == 1
    with pytest.raises(GoodinitError, match="2\\*\\*32"):
        as_stream(2**32, "randomstate")
