"""The table of activations against PyTorch's modules and its own claims."""

import numpy as np
import pytest

import goodinit
from goodinit import activations
from goodinit.errors import GoodinitError

NAMES = [*activations.names(), "leaky_relu(slope=0.2)", "elu(alpha=0.5)", "sine(frequency=30)"]
Z = np.concatenate([np.linspace(-40, 40, 4001) + 0.0037, [-800.0, 800.0]])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value_and_derivative_keep_shape_and_dtype(name, dtype):
    found = activations.get(name)
    z = Z.astype(dtype).reshape(-1, 1)
    for function in (found.value, found.derivative):
        out = function(z)
        assert (out.shape, out.dtype) == (z.shape, z.dtype)
        assert np.isfinite(out).all()


@pytest.mark.parametrize("name", NAMES)
def test_value_and_derivative_agree_with_pytorch(name):
    torch = pytest.importorskip("torch")
    found = activations.get(name)
    if found.torch_name is None:
        pytest.skip("PyTorch has no such module")
    options = {"leaky_relu(slope=0.2)": (0.2,), "elu(alpha=0.5)": (0.5,)}.get(name, ())
    z = torch.tensor(Z, requires_grad=True)
    expected = getattr(torch.nn, found.torch_name)(*options)(z)
    expected.sum().backward()
    tolerance = 3e-9 if name == "softplus" else 1e-12  # PyTorch's softplus is the identity above 20
    np.testing.assert_allclose(found.value(Z), expected.detach().numpy(), rtol=1e-9, atol=tolerance)
    np.testing.assert_allclose(found.derivative(Z), z.grad.numpy(), rtol=1e-9, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_claims_hold(name):
    found = activations.get(name)
    far = np.array([-1e6, 1e6])
    for end, bound in zip(found.value(far), found.saturation, strict=True):
        if bound is not None:
            assert end == pytest.approx(bound, abs=1e-4)
    dead = (found.derivative(np.array([-100.0, -1e6])) == 0).all() and (found.value(-np.ones(1) * 2) <= 0).all()
    if found.can_die:
        assert dead
    for kink in found.kinks:
        left, right = found.derivative(np.array([kink - 1e-9, kink + 1e-9]))
        assert abs(left - right) > 1e-3 or name in ("elu", "elu(alpha=1)")  # elu's second derivative jumps


def test_swish_is_silu():
    assert activations.get("swish").name == activations.get("Swish").family == "silu"
    assert activations.is_known("swish")
    assert "swish" not in activations.names()


@pytest.mark.parametrize("name", ["tanh", "gelu", "softplus", "sine"])
def test_a_plain_functions_derivative_is_the_tables(name):
    table, z = activations.get(name), np.linspace(-6, 6, 401)
    found = activations.of_function(table.value)
    np.testing.assert_allclose(found.derivative(z), table.derivative(z), atol=3e-11)
    assert found.value(z.astype(np.float32)).dtype == np.float32


def test_functions_of_one_name_are_told_apart():
    one, two = (activations.of_function(lambda z, k=k: np.tanh(k * z)) for k in (1.0, 1.001))
    assert one.name != two.name
    assert one.name == activations.of_function(lambda z: np.tanh(z)).name
    with pytest.raises(GoodinitError, match="must map a NumPy array to an array"):
        activations.of_function(lambda z: float(z[0]))


def test_a_plain_function_is_compared(tmp_path):
    options = {"steps": 200, "perturbations": 0, "seed": 0, "engine": "reference"}
    found = goodinit.compare("he_normal", activation=lambda z: np.tanh(z), study=tmp_path / "s.db", **options)
    table = goodinit.compare("he_normal", activation="tanh", **options)
    assert found.trials[0].final_loss == pytest.approx(table.trials[0].final_loss, rel=1e-7)
    assert found.study.tasks[0].network.facts["activation"].startswith("lambda#")
    with pytest.raises(GoodinitError, match="has activation lambda#"):
        goodinit.compare("he_normal", activation=lambda z: np.tanh(2 * z), study=tmp_path / "s.db", **options)
    assert "made in Python" in found.report_html()
