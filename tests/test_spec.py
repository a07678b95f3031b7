"""The text form of initializers and activations: parsed, never evaluated."""

import math

import pytest

from goodinit import activations, initializers
from goodinit.errors import GoodinitError
from goodinit.spec import format_spec, parse_spec


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("he_normal", ("he_normal", {})),
        (" He-Normal ", ("he_normal", {})),
        ("zeros()", ("zeros", {})),
        ("normal(std=10)", ("normal", {"std": 10})),
        ("normal( std = 1e-3 , mean=-.5 )", ("normal", {"std": 1e-3, "mean": -0.5})),
        ("a(b=true, c=none, d=word, e='two words')", ("a", {"b": True, "c": None, "d": "word", "e": "two words"})),
        ("a(b=[1, 2.5, [3]])", ("a", {"b": [1, 2.5, [3]]})),
        ("a(b=-inf)", ("a", {"b": -math.inf})),
    ],
)
def test_what_is_read(text, parsed):
    assert parse_spec(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "", "1", "normal(", "normal(10)", "normal(std=)", "normal(std=10", "normal(std=10))", "normal(std=1 mean=2)",
        "normal(std=1)x", "normal(std=1;mean=2)", "a(b=1,b=2)", "a.b", "a(b=c())", "__import__('os').system('true')",
        "normal(std=__import__('os'))", "a(b=1 if 1 else 2)", "a(b=9**9**9)", "a(b=+word)", "a(" * 200,
        "a(b=" + "[" * 100 + "]" * 100 + ")", "x" * 5000, "normal(std=1)\n\0",
    ],
)  # fmt: skip
def test_what_is_refused(text):
    with pytest.raises(GoodinitError):
        initializers.get(text)


@pytest.mark.parametrize("name", initializers.names())
def test_text_and_object_are_the_same(name):
    initializer = initializers.get(name)
    assert initializers.get(str(initializer)) == initializer
    assert initializers.get(initializer) is initializer


def test_options_survive_the_text_form():
    for text in ("normal(std=10)", "normal(std=0.1, mean=-2)", "variance_scaling(scale=2, distribution=uniform)"):
        assert str(initializers.get(text)) == text
    assert format_spec("a", {"b": 10.0, "c": True, "d": None, "e": "x y", "f": (1, 2.5)}) == (
        'a(b=10, c=true, d=none, e="x y", f=[1, 2.5])'
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("he_normall", "did you mean he_normal"),
        ("normal(sd=1)", "did you mean std"),
        ("zeros(std=1)", "it takes no option"),
        ("normal(std=-1)", "must be a finite number of at least 0"),
        ("normal(std=nan)", "must be a finite number"),
        ("normal(std=big)", "must be a finite number"),
        ("uniform(low=2, high=1)", "low must not be above high"),
        ("variance_scaling(mode=fan)", "must be one of fan_in, fan_out"),
        ("variance_scaling(scale=0)", "above 0"),
    ],
)
def test_errors_name_what_is_known(text, message):
    with pytest.raises(GoodinitError, match=message):
        initializers.get(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rleu", "did you mean relu"),
        ("relu(slope=1)", "it takes no option"),
        ("leaky_relu(alpha=1)", "its one option is slope"),
        ("elu(alpha=word)", "finite number"),
    ],
)
def test_activations_are_looked_up_the_same_way(text, message):
    assert activations.get("leaky_relu(slope=0.2)").name == "leaky_relu(slope=0.2)"
    with pytest.raises(GoodinitError, match=message):
        activations.get(text)


@pytest.mark.parametrize("number", [0.0, -0.0, 1e15, -3.0, 5e-324, 1.7976931348623157e308, 0.1])
def test_a_number_comes_back_the_same(number):
    _, options = parse_spec(format_spec("a", {"b": number}))
    assert (float(options["b"]), math.copysign(1, options["b"])) == (number, math.copysign(1, number))
    assert str(initializers.get(str(initializers.get("normal", mean=number)))) == str(
        initializers.get("normal", mean=number)
    )


@pytest.mark.parametrize(
    "text",
    [
        "orthogonal(gain=1)",
        "he_normal(activation=relu)",
        'scaled(of="orthogonal(gain=1)", gain=0.5)',
        'scaled_units(of="normal(std=10)", gain=0.5, units=[[4, 6]])',
        "padded_identity(noise=0.085)",
        'mimetic_factors(width=8, head=4, factors=[["a.w|b.w", query, 0.7, 0.7]])',
        'mirrored_block(part="end beside", key="a|b", into=4)',
    ],
)
def test_the_text_of_an_initializer_keeps_what_was_said(text):
    """A gain that is said holds, though it equals the default that the activation behind a layer would decide."""
    made = initializers.get(text)
    assert str(made) == text
    assert made == initializers.get(str(made))
    assert made.given == initializers.get(str(made)).given


@pytest.mark.parametrize(
    "text",
    [
        "scaled_units(units=[4])",
        "padded_identity(noise=-1)",
        "mimetic_factors(width=0)",
        "mimetic_factors(factors=[[a, top, 1, 1]])",
        "mirrored_block(part=middle)",
    ],
)
def test_what_such_a_text_may_not_say_is_refused(text):
    with pytest.raises(GoodinitError):
        initializers.get(text)
