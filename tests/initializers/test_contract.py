"""The contract of every initializer: moments, dtypes, shapes, slices, order, threads, refusals, and its three lists."""

import copy
import math
import pickle
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from goodinit import initializers
from goodinit.errors import GoodinitError
from goodinit.streams import KeyedStream
from goodinit.weights import Weight

LINEAR = Weight.linear("encoder.weight", 300, 500)
CONV = Weight.conv("features.0.weight", 24, 60, 5, groups=3)
UP = Weight.conv_transpose("up.weight", 40, 40, 4, stride=2)
LSTM = Weight.recurrent("lstm.weight_hh", 100, 100)
QKV = Weight.packed("attention.in_proj", 192, (192, 64, 64))
KERNEL = Weight.conv("features.1.weight", 100, 200, 3)

NORMAL, UNIFORM = 3.0, 1.8
CUT = float(stats.truncnorm(-2, 2).stats(moments="k")) + 3

# text, weight, kurtosis E[(w - mean)^4] / Var^2 (None: no chance in it, so that mean and variance must be exact)
CONTRACT = [
    ("zeros", LINEAR, None),
    ("ones", LINEAR, None),
    ("constant(value=-2.5)", CONV, None),
    ("constant(value=[1, 2, 3])", Weight.elementwise("b", (4, 3)), None),
    ("forget_bias(value=2)", Weight.elementwise("lstm.bias_ih", 400), None),
    ("uniform", LINEAR, UNIFORM),
    ("uniform(low=2, high=5)", CONV, UNIFORM),
    ("normal", LINEAR, NORMAL),
    ("normal(std=10, mean=-3)", LSTM, NORMAL),
    ("truncated_normal", LINEAR, CUT),
    ("truncated_normal(std=0.02, corrected=true)", CONV, CUT),
    ("truncated_normal(std=0.5, mean=1, low=0.5, high=3, bounds=absolute)", LINEAR, "truncated"),
    ("variance_scaling", LINEAR, NORMAL),
    ("variance_scaling(scale=3, mode=fan_out, distribution=uniform)", CONV, UNIFORM),
    ("variance_scaling(mode=fan_avg, distribution=truncated_normal)", UP, CUT),
    ("variance_scaling(scale=2, mode=fan_geo_avg)", LSTM, NORMAL),
    ("lecun_normal", UP, NORMAL),
    ("lecun_uniform", CONV, UNIFORM),
    ("glorot_normal", LINEAR, NORMAL),
    ("glorot_normal(gain=2)", QKV, "mixture"),
    ("glorot_uniform", LSTM, UNIFORM),
    ("he_normal", LINEAR, NORMAL),
    ("he_normal(activation=gelu)", CONV, NORMAL),
    ('he_normal(activation="leaky_relu(slope=0.2)", mode=fan_out)', UP, NORMAL),
    ("he_uniform(activation=tanh)", UP, UNIFORM),
    ("pytorch_linear", LINEAR, UNIFORM),
    ("edge_of_chaos", LINEAR, NORMAL),
    ("edge_of_chaos(activation=silu, bias_variance=0.6, distribution=uniform)", LINEAR, UNIFORM),
    ("random_walk", LINEAR, NORMAL),
    ("random_walk(activation=linear)", CONV, NORMAL),
    ("siren", LINEAR, UNIFORM),
    ("siren(first=true)", LINEAR, UNIFORM),
    ("orthogonal", LINEAR, 3 * 500 / 502),  # an element of a Haar matrix: 3 n / (n + 2)
    ("orthogonal(gain=2)", LSTM, 3 * 100 / 102),
    ("delta_orthogonal", KERNEL, 9 * 3 * 200 / 202 * 200 / 200),
    ("identity", LSTM, None),
    ("dirac(gain=0.5)", CONV, None),
    ("looks_linear", LINEAR, 3 * 250 / 252),
    ("bilinear_upsampling", UP, None),
    ("sparse", LINEAR, 3 * 10),
    ("sparse(sparsity=0.2, counts=nonzeros, per=input, std=2)", CONV, 3 * 5),
    ("sinusoidal", LINEAR, None),
    ("zero_hadamard", LINEAR, None),
    ("scaled", LINEAR, NORMAL),
    ("scaled(of=orthogonal, gain=0.5)", LSTM, 3 * 100 / 102),
    ("scaled(of='he_normal(activation=\"leaky_relu(slope=0.2)\")', gain=3)", CONV, NORMAL),
]
ROWS = pytest.mark.parametrize(("text", "weight", "kurtosis"), CONTRACT, ids=[row[0] for row in CONTRACT])

SHAPES = [
    Weight.elementwise("scalar", ()),
    Weight.elementwise("bias", 7),
    Weight.elementwise("none", 0),
    Weight.linear("row", 9, 1),
    Weight.linear("column", 1, 9),
    Weight.linear("no_inputs", 0, 3),
    Weight.linear("no_outputs", 3, 0),
    Weight.conv("conv1", 4, 6, 3, dims=1),
    Weight.conv("conv2", 4, 6, (3, 5), groups=2),
    Weight.conv("conv3", 4, 6, 2, dims=3),
    Weight.conv("no_channels", 0, 6, 3),
    Weight.conv_transpose("up3", 4, 4, 4, stride=2, dims=3),
    Weight.bilinear("bilinear", 3, 4, 5),
    Weight.embedding("table", 10, 4),
    Weight.recurrent("gru", 3, 5, cell="gru"),
]


def test_catalogue_contract_and_docs_list_the_same_names():
    catalogue = initializers.names()
    docs = (Path(__file__).parents[2] / "docs" / "initializers.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", docs, flags=re.MULTILINE) == catalogue
    assert list(dict.fromkeys(initializers.get(text).name for text, _, _ in CONTRACT)) == catalogue


@ROWS
def test_moments(text, weight, kurtosis):
    initializer = initializers.get(text)
    draws = [initializer.draw(weight, seed).ravel() for seed in range(1 if kurtosis is None else 4)]
    x = np.concatenate(draws)
    mean, variance = initializer.expected_mean(weight), initializer.expected_variance(weight)
    if kurtosis is None:
        assert x.mean() == pytest.approx(mean, rel=1e-9, abs=1e-12)
        assert x.var() == pytest.approx(variance, rel=1e-9, abs=1e-12)
        return
    assert abs(x.mean() - mean) < 5 * math.sqrt(variance / x.size)
    fourth = (x - mean) ** 4
    assert abs(x.var() - variance) < 5 * math.sqrt((fourth.mean() - variance**2) / x.size) + 1e-12 * variance
    if kurtosis == "truncated":
        kurtosis = float(stats.truncnorm(-1, 4).stats(moments="k")) + 3
    if kurtosis == "mixture":  # of normals, one a part
        part = [4 * 2 / sum(fans) for fans in weight.part_fans]
        share = np.array(weight.parts) / sum(weight.parts)
        kurtosis = 3 * (share @ np.square(part)) / (share @ part) ** 2
    assert abs(fourth.mean() - kurtosis * variance**2) < 5 * fourth.std() / math.sqrt(x.size)


@ROWS
def test_dtypes_are_roundings_of_the_same_values(text, weight, kurtosis):
    initializer = initializers.get(text)
    exact = initializer.draw(weight, 3)
    assert exact.dtype == np.float64
    single = initializer.draw(weight, 3, dtype=np.float32)
    assert single.dtype == np.float32
    assert np.array_equal(single, exact.astype(np.float32))
    half = initializer.draw(weight, 3, dtype="float16")
    assert half.dtype == np.float16
    assert np.array_equal(half, single.astype(np.float16))


@ROWS
def test_bfloat16_through_pytorch(text, weight, kurtosis):
    torch = pytest.importorskip("torch")
    initializer = initializers.get(text)
    values = torch.from_numpy(initializer.draw(weight, 3, dtype=np.float32)).to(torch.bfloat16)
    assert values.isfinite().all()
    spread = float(values.double().var(correction=0))
    assert spread == pytest.approx(float(initializer.draw(weight, 3).var()), rel=2**-7, abs=1e-12)


@ROWS
def test_every_shape_is_filled_or_refused_with_a_sentence(text, weight, kurtosis):
    initializer = initializers.get(text)
    for shaped in SHAPES:
        try:
            drawn = initializer.draw(shaped, 0)
        except GoodinitError as error:
            assert f"{shaped.name!r}" in str(error)  # noqa: PT017  # a refusal is one of two right answers
            assert isinstance(initializer, STRUCTURED)
            continue
        assert drawn.shape == shaped.shape
        assert np.isfinite(drawn).all()
        assert math.isfinite(initializer.expected_variance(shaped))
        assert math.isfinite(initializer.expected_mean(shaped))


STRUCTURED = (
    initializers.BilinearUpsampling,
    initializers.Constant,  # a list of values fits certain shapes only
    initializers.DeltaOrthogonal,
    initializers.Dirac,
    initializers.ForgetBias,
    initializers.Identity,
    initializers.LooksLinear,
    initializers.Sinusoidal,
    initializers.ZeroHadamard,
)


@ROWS
def test_any_slice_is_the_wholes(text, weight, kurtosis):
    initializer, stream = initializers.get(text), KeyedStream(11)
    whole = initializer.draw(weight, 11).ravel()
    for start, stop in ((0, 1), (5, 5), (1, 12), (weight.size // 3, weight.size // 2), (weight.size - 1, weight.size)):
        assert np.array_equal(initializer.elements(weight, stream, start, stop), whole[start:stop])


@ROWS
def test_seeds_names_order_and_threads(text, weight, kurtosis):
    initializer = initializers.get(text)
    other = Weight(**{**vars(weight), "name": "other"})
    alone = [initializer.draw(w, seed) for w in (weight, other) for seed in (0, 1)]
    found = {}

    def work(key):
        w, seed = key
        found[key] = initializer.draw(w, seed)

    keys = [(w, seed) for w in (weight, other) for seed in (0, 1)]
    threads = [threading.Thread(target=work, args=(key,)) for key in reversed(keys)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key, values in zip(keys, alone, strict=True):
        assert np.array_equal(found[key], values)
    assert len({values.tobytes() for values in alone}) == (1 if kurtosis is None else 4)


@ROWS
def test_the_text_form_returns(text, weight, kurtosis):
    initializer = initializers.get(text)
    assert initializers.get(str(initializer)) == initializer
    assert hash(initializers.get(str(initializer))) == hash(initializer)


@pytest.mark.parametrize("cls", initializers.catalogue(), ids=initializers.names())
def test_facts_are_told(cls):
    for fact in (cls.summary, cls.formula, cls.reference, cls.__doc__):
        assert fact
        assert "\n" not in fact or fact is cls.__doc__
    for alias in (cls.name, *cls.aliases):
        assert isinstance(initializers.get(alias), cls)
    assert {"PyTorch", "Keras", "JAX"} <= set(cls.elsewhere) or issubclass(
        cls, (initializers.Zeros, initializers.Ones, initializers.Constant)
    )


@pytest.mark.parametrize(
    "text",
    [
        "constant(value=nan)", "constant(value=word)", "constant(value=true)", "constant(value=[1, [2, 3]])",
        "uniform(low=1, high=0)", "uniform(low=inf)", "forget_bias(value=inf)", "normal(std=-1)", "normal(mean=nan)",
        "truncated_normal(std=0)", "truncated_normal(low=2, high=2)", "truncated_normal(bounds=relative)",
        "truncated_normal(low=40, high=41)", "truncated_normal(bounds=absolute, corrected=true)",
        "truncated_normal(corrected=maybe)", "variance_scaling(scale=-1)", "variance_scaling(mode=fan)",
        "variance_scaling(distribution=cauchy)", "glorot_normal(gain=0)", "he_normal(activation=rleu)",
        "he_uniform(mode=in)", "edge_of_chaos(activation=gelu)", "edge_of_chaos(bias_variance=-1)",
        "random_walk(activation=tanh)", "siren(frequency=0)", "siren(first=maybe)", "orthogonal(gain=-1)",
        "delta_orthogonal(gain=nan)", "identity(gain=0)", "dirac(gain=inf)", "looks_linear(side=left)",
        "sparse(sparsity=1.5)", "sparse(counts=ones)", "sparse(per=row)", "sparse(std=-1)", "zero_hadamard(gain=0)",
    ],
)  # fmt: skip
def test_invalid_options_are_refused(text):
    with pytest.raises(GoodinitError, match=text.partition("(")[0] + "|activation|gelu"):
        initializers.get(text)


def test_a_thousand_weights_are_the_same_alone_in_another_order_and_in_slices():
    rng = np.random.default_rng(0)
    texts = [
        text for text, _, kurtosis in CONTRACT if kurtosis is not None and "looks" not in text and "delta" not in text
    ]
    weights = [
        (Weight.linear(f"layer{i}.weight", int(rng.integers(1, 40)), int(rng.integers(1, 40))), texts[i % len(texts)])
        for i in range(1000)
    ]
    together = {w.name: initializers.get(text).draw(w, 5) for w, text in weights}
    for i in rng.permutation(1000):
        w, text = weights[i]
        initializer = initializers.get(text)
        assert np.array_equal(initializer.draw(w, 5), together[w.name])
        start, stop = sorted(rng.integers(0, w.size + 1, 2))
        assert np.array_equal(
            initializer.elements(w, KeyedStream(5), start, stop), together[w.name].ravel()[start:stop]
        )


def test_small_variances_survive_half_precision():
    weight = Weight.linear("W", 100_000, 2)
    drawn = initializers.get("variance_scaling(scale=1e-6)").draw(weight, 0, dtype=np.float16)
    assert drawn.astype(np.float64).std() == pytest.approx(math.sqrt(1e-11), rel=0.01)


def test_sparse_keeps_as_many_connections_as_it_says():
    drawn = initializers.get("sparse(sparsity=0.9)").draw(Weight.linear("W", 50, 20), 0)
    assert set((drawn != 0).sum(axis=1)) == {5}
    drawn = initializers.get("sparse(sparsity=0.9, per=input)").draw(Weight.linear("W", 20, 5), 0)
    assert set((drawn != 0).sum(axis=0)) == {1}  # PyTorch leaves none
    assert not initializers.get("sparse(sparsity=1)").draw(Weight.linear("W", 20, 5), 0).any()
    chosen = sum(initializers.get("sparse(sparsity=0.5)").draw(Weight.linear("W", 8, 50), s) != 0 for s in range(40))
    assert stats.chisquare(chosen.sum(axis=0)).pvalue > 1e-3


def test_siren_gives_the_variances_of_its_theory():
    """Sitzmann et al. 2020: a first layer's sines have variance 1/2, and what follows it is standard normal.

    The sine of a standard normal has variance (1 - e^-2) / 2, a closed form, so the third layer's is twice that.
    """
    h = KeyedStream(0).uniform("x", 0, 16 * 1000).reshape(16, 1000) * 2 - 1
    for first, inputs, variance in ((True, 16, 0.5), (False, 2048, (1 - math.exp(-2)) / 2)):
        weight = Weight.linear(f"layer{first}", inputs, 2048)
        z = 30 * initializers.Siren(first=first).draw(weight, 1) @ h
        h = np.sin(z)
        assert h.var() == pytest.approx(variance, abs=0.01)
    assert z.var() == pytest.approx(1.0, abs=0.03)


def test_an_initializer_knows_which_options_it_was_given():
    made = initializers.Normal(1.0, mean=0.0)
    assert made.given == {"std", "mean"}
    assert initializers.Normal().given == initializers.get("normal").given == frozenset()
    assert initializers.get("normal(mean=0)").given == initializers.get("normal", mean=0).given == {"mean"}
    assert pickle.loads(pickle.dumps(made)).given == copy.deepcopy(made).given == made.given
    assert initializers.Normal(mean=0.0) == initializers.Normal()
    assert str(initializers.Normal(mean=0.0)) == "normal"
