"""A page for each entry of the catalogue, from the facts that `goodinit show` prints, with an example that was run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final
from urllib.parse import quote

from drawings import activation_drawing, initializer_drawing
from transcript import transcript

from goodinit import activations, initializers, methods, recipes, theory
from goodinit.activations import Activation
from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer
from goodinit.lab.laws import law
from goodinit.methods import Method
from goodinit.recipes import Recipe

__all__ = ["catalogue_pages"]

_EXAMPLES: Final = {
    "forget_bias": 'Weight.elementwise("lstm.bias", 64)',
    "delta_orthogonal": 'Weight.conv("conv.weight", 8, 8, 3)',
    "dirac": 'Weight.conv("conv.weight", 8, 8, 3)',
    "bilinear_upsampling": 'Weight.conv_transpose("up.weight", 4, 4, 4, stride=2)',
}
"""The weights of examples that are no matrices."""
_MATRIX: Final = 'Weight.linear("layer1.weight", 48, 32)'
_BIASES: Final = ("forget_bias",)  # what the lab, which fills matrices alone, does not show


def catalogue_pages() -> dict[str, str | bytes]:
    """Every page of the catalogue and its pictures, by their place in the site's sources."""
    made: dict[str, str | bytes] = {}
    for name in initializers.names():
        made |= _initializer(initializers.get(name))
    for method in methods.catalogue():
        made[f"catalogue/methods/{method.name}.md"] = _method(method)
    for name in recipes.names():
        made[f"catalogue/recipes/{name}.md"] = _recipe(recipes.get(name))
    for name in activations.names():
        made |= _activation(activations.get(name))
    return made | {"catalogue/index.md": _index()}


def _table(facts: Mapping[str, str]) -> str:
    rows = [f"| **{fact}** | {_cell(value)} |" for fact, value in facts.items() if value]
    return "\n".join(["| | |", "| --- | --- |", *rows])


def _cell(text: object) -> str:
    plain = str(text).replace("|", "\\|").replace("\n", " ")
    return plain.replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")


def _code(texts: object) -> str:
    return ", ".join(f"`{text}`" for text in texts) if isinstance(texts, tuple | list) else f"`{texts}`"


def _facts(start: Initializer | Method) -> dict[str, str]:
    options = {each.name: getattr(start, each.name) for each in fields(start) if each.init}
    return {
        "formula": start.formula,
        "options": ", ".join(f"{name} = {value}" for name, value in options.items()) or "none",
        "made for": ", ".join(getattr(start, "activations", ())) or "any activation",
        "needs": ", ".join(getattr(start, "needs", ())),
        "reference": start.reference,
        "also called": ", ".join(start.aliases),
        **{f"in {framework}": meaning for framework, meaning in start.elsewhere.items()},
    }


def _initializer(initializer: Initializer) -> dict[str, str | bytes]:
    name = initializer.name
    code = _EXAMPLES.get(name, _MATRIX)
    space: dict[str, Any] = {}
    shown = transcript(
        [
            "from goodinit import Weight, initializers",
            f"weight = {code}",
            f'initializer = initializers.get("{name}")',
            "values = initializer.draw(weight, 0)  # the seed",
            "values.shape",
            'print(f"std {values.std():.4f}, expected {initializer.expected_variance(weight) ** 0.5:.4f}")',
        ],
        space,
    )
    picture = f"{name}.svg"
    text = f"""# {name}

{_cell(initializer.summary[0].upper() + initializer.summary[1:])}.

{_table(_facts(initializer))}

## Example

```pycon
{shown}
```

![One draw of {name}: the weights as a matrix, and how often each value comes]({picture})

{_lab(name)}

On the command line: `goodinit show {name}`, `goodinit compare --init {name}`. Class:
[`goodinit.initializers.{type(initializer).__name__}`](../../api/goodinit.initializers.md#goodinit.initializers.{type(initializer).__name__}).
"""
    drawn = initializer_drawing(initializer, space["weight"])
    return {f"catalogue/initializers/{name}.md": text, f"catalogue/initializers/{picture}": drawn}


def _lab(name: str) -> str:
    if name in _BIASES:
        return "The lab fills matrices, and leaves biases at 0."
    if law(type(initializers.get(name))) is None:
        return f"In the lab, with `goodinit lab` on your machine: choose `{name}` among the starts."
    link = f"../../lab/index.html#data=circles&hidden=10,10,10&init={quote(name)}&init=he_normal&steps=5000"
    return f'<a href="{link}">Try it in the lab</a>, beside `he_normal`, on a network of three hidden layers.'


def _method(method: type[Method]) -> str:
    start = methods.get(method.name)
    facts = _facts(start) if isinstance(start, Method) else {}
    return f"""# {method.name}

{_cell(method.summary[0].upper() + method.summary[1:])}.

{_table({**facts, "made for": ""})}

```python
done = goodinit.initialize(model, "{start}", seed=0, inputs=batch)
print(done)  # parameter by parameter: what fills it, and why
```

[Starts of whole networks](../../methods.md) says what it does in full;
[the reference](../../api/goodinit.methods.md) has the classes.
"""


def _recipe(recipe: Recipe) -> str:
    options = {**recipe.defaults, **recipe.options}
    rows = []
    for rule in recipe.rules:
        where = f" of the {' and '.join(rule.stacks)}" if rule.stacks else ""
        roles = ", ".join(role.replace("_", " ") for role in rule.roles)
        rows.append(f"| {roles}{where} | {_cell(rule.text)} |")
    listed = "\n".join(["| parameters | filled with |", "| --- | --- |", *rows])
    source = f"{recipe.repository}, {recipe.version}, {recipe.file}"
    facts = {
        "covers": recipe.covers,
        "read at": source,
        "options": ", ".join(f"{option} = {number:g}" for option, number in options.items()) or "none",
        "note": recipe.note,
    }
    return f"""# {recipe.name}

{_cell(recipe.title)}: what this public training code fills each parameter with.

{_table(facts)}

{listed}

`goodinit audit my_models:make --recipe {recipe.name}` says parameter by parameter whether a model starts so;
[who filled every weight](../../audit.md) has the rest.
"""


def _activation(activation: Activation) -> dict[str, str | bytes]:
    name = activation.name
    survey = theory.survey(name)
    lines = [f"| {bias:g} | {weight:.6g} |" for bias, weight in survey.line if bias in survey.shown_biases]
    facts = {
        "gain": f"{survey.gain:.6f} = 1 / sqrt(E[phi(z)²]), z standard normal; He's variance is gain² / fan in",
        "backward gain": f"{survey.backward_gain:.6f} = 1 / sqrt(E[phi'(z)²])",
        "PyTorch's gain": "none" if survey.pytorch_gain is None else f"{survey.pytorch_gain:.6f}",
        "in torch.nn": activation.torch_name or "none",
        "units can die": "yes" if activation.can_die else "no",
        "saturates": "yes" if activation.saturates else "no",
    }
    scene = f"data=circles&hidden=10x10&activation={quote(name)}&init={_made_for(name)}&init=normal&steps=5000"
    text = f"""# {name}

{_table(facts)}

![{name} and its derivative]({name}.svg)

<a href="../../lab/index.html#{scene}">Try it in the lab</a>: ten layers, a start made for it beside
normal weights of a fixed size.

## The critical line

Where a perturbation neither grows nor dies with depth: the weight variance times fan in, for each variance of the
biases.

| bias variance | critical weight variance |
| --- | --- |
{chr(10).join(lines)}

`goodinit show {name}` has the depth scales beside it; [the theory](../../theory.md) says what they mean.
"""
    return {
        f"catalogue/activations/{name}.md": text,
        f"catalogue/activations/{name}.svg": activation_drawing(activation),
    }


def _made_for(name: str) -> str:
    text = f"he_normal(activation={name})"
    try:
        initializers.get(text)
    except GoodinitError:
        text = "glorot_normal"
    return quote(text)


def _index() -> str:
    parts = [
        "# Every entry",
        "What `goodinit show` lists, a page each: facts, an example that was run as this site was built, a picture.",
        "## Initializers",
        _rows("initializers", [(each.name, each.summary) for each in initializers.catalogue()]),
        "## Methods",
        _rows("methods", [(each.name, each.summary) for each in methods.catalogue()]),
        "## Recipes",
        _rows("recipes", [(name, recipes.get(name).title) for name in recipes.names()]),
        "## Activations",
        _rows("activations", [(name, f"gain {theory.gain(name):.6g}") for name in activations.names()]),
    ]
    return "\n\n".join([*parts, ""])


def _rows(kind: str, entries: list[tuple[str, str]]) -> str:
    rows = [f"| [`{name}`]({kind}/{name}.md) | {_cell(what)} |" for name, what in entries]
    return "\n".join(["| name | what it is |", "| --- | --- |", *rows])
