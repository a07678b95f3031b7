"""Tables for `goodinit show`: the catalogue, one initializer, its forecast for a network, and one activation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from goodinit.initializers import Initializer
from goodinit.methods import Method, Start
from goodinit.networks import MLP
from goodinit.recipes import Recipe
from goodinit.results import LayerForecast
from goodinit.theory import Survey

__all__ = ["activation", "catalogue", "entry", "forecast", "recipe"]


def catalogue(
    classes: Sequence[type[Initializer]],
    recipes: Sequence[Recipe] = (),
    methods: Sequence[type[Method]] = (),
) -> Group:
    """The catalogue: a row an initializer, a row a method, and a row a recipe."""
    tables = [_facts("initializer", classes)]
    if methods:
        tables.append(_facts("method", methods))
    known = Table()
    for heading in ("recipe", "what starts so", "where it was read"):
        known.add_column(heading)
    for each in recipes:
        known.add_row(Text(each.name), Text(each.title), Text(f"{each.repository}, {each.version}"))
    return Group(*tables, known) if recipes else Group(*tables)


def _facts(kind: str, classes: Sequence[type[Initializer] | type[Method]]) -> Table:
    table = Table()
    for heading in (kind, "what it does", "reference"):
        table.add_column(heading)
    for cls in classes:
        table.add_row(Text(cls.name), Text(cls.summary), Text(cls.reference))
    return table


def recipe(shown: Recipe) -> Group:
    """One recipe with its source and its rules."""
    facts = Table.grid(padding=(0, 2))
    options = {**shown.defaults, **shown.options}
    for name, value in {
        "covers": shown.covers,
        "read at": f"{shown.repository}, {shown.version} of {shown.date}, {shown.file}",
        "options": ", ".join(f"{option}={number:g}" for option, number in options.items()) or "none",
        "note": shown.note,
    }.items():
        if value:
            facts.add_row(Text(name), Text(value))
    headings = ("parameters", "filled with", *(("forward and rates",) if shown.moves else ()))
    rules = Table(*headings, title=Text(f"{shown}: {shown.title}"), title_justify="left")
    for rule in shown.rules:
        where = f" of the {' and '.join(rule.stacks)}" if rule.stacks else ""
        cells = (", ".join(role.replace("_", " ") for role in rule.roles) + where, rule.text, rule.pace_text)
        rules.add_row(*map(Text, cells[: len(headings)]))
    return Group(rules, facts)


def entry(start: Start) -> Group:
    """One initializer or method with its facts."""
    options = {option.name: getattr(start, option.name) for option in fields(start) if option.init}
    facts = {
        "formula": start.formula,
        "options": ", ".join(f"{name}={value}" for name, value in options.items()) or "none",
        "made for": ", ".join(getattr(start, "activations", ())) or "any activation",
        "needs": ", ".join(getattr(start, "needs", ())),
        "reference": start.reference,
        "also called": ", ".join(start.aliases),
        **{f"in {framework}": meaning for framework, meaning in start.elsewhere.items()},
    }
    table = Table.grid(padding=(0, 2))
    for fact, value in facts.items():
        if value:
            table.add_row(Text(fact), Text(value))
    return Group(Text.assemble((str(start), "bold"), f": {start.summary}"), table)


def forecast(layers: Sequence[LayerForecast], initializer: Start, network: MLP, seed: int) -> Group:
    """The weights of each layer, expected and realised, and the signals they are predicted to carry."""
    table = Table()
    table.add_column("weight")
    for heading in (
        "shape",
        "expected std",
        "realised std",
        "forward: Var of pre-activations",
        "mean square of activations",
        "backward: mean square of gradients",
    ):
        table.add_column(heading, justify="right")
    for layer in layers:
        signals = (layer.preactivation_variance, layer.activation_square, layer.gradient_square)
        table.add_row(
            layer.name,
            " x ".join(map(str, layer.shape)),
            f"{layer.expected_std:.6f}",
            f"{layer.realised_std:.6f}",
            *("" if signal is None else f"{signal:.5g}" for signal in signals),
        )
    title = (
        f"\n{initializer} in {list(network.widths)}, {network.activation}, seed {seed}, for inputs of mean square 1; "
        "gradients by the pre-activations, in units of the last layer's:"
    )
    parts: list[RenderableType] = [Text(title), table]
    made_for, used = getattr(initializer, "activation", network.activation.name), network.activation.name
    if made_for != used:
        parts.append(
            Text(f"These weights are scaled for {made_for}; {initializer.name}(activation={used}) is for {used}.")
        )
    if layers[0].preactivation_variance is None:
        parts.append(Text("No prediction: it holds for independent weights of mean 0, and these have another mean."))
    parts += [Text(f"{layer.name}: {layer.caution}.") for layer in layers if layer.caution]
    return Group(*parts)


def activation(survey: Survey) -> Group:
    """An activation's gains, its critical line, and what weights of each variance do at depth."""
    gains = Table.grid(padding=(0, 2))
    table_gain = "none" if survey.pytorch_gain is None else f"{survey.pytorch_gain:.6f}"
    half = survey.half_stable
    rows = {
        "gain": f"{survey.gain:.6f} = 1 / sqrt(E[phi(z)^2]), z ~ N(0, 1); He's variance is gain^2 / fan_in",
        "backward gain": f"{survey.backward_gain:.6f} = 1 / sqrt(E[phi'(z)^2])",
        "PyTorch's gain": table_gain,
    }
    if half is not None:
        rows["half-stable point"] = (
            f"weight variance {half.weight_variance:.6f}, bias variance {half.bias_variance:.6f}, q* {half.q_star:.4f}"
        )
    for fact, value in rows.items():
        gains.add_row(Text(fact), Text(value))
    line = Table()
    line.add_column("bias variance", justify="right")
    line.add_column("critical weight variance", justify="right")
    for bias, weight in survey.line:
        if bias in survey.shown_biases:
            line.add_row(f"{bias:g}", "none" if math.isnan(weight) else f"{weight:.6f}")
    depth = Table()
    for heading in ("weight variance", "phase", "q*", "chi_1", "c*", "xi_q", "xi_c"):
        depth.add_column(heading, justify="right")
    for found in survey.mean_fields:
        numbers = (found.q_star, found.chi_1, found.c_star, found.xi_q, found.xi_c)
        depth.add_row(f"{found.weight_variance:.4f}", found.phase, *(_mean_field(number) for number in numbers))
    return Group(
        Text.assemble((str(survey.activation), "bold")),
        gains,
        Text("\nThe critical line (weight variance times fan in, where chi_1 = 1):"),
        line,
        Text(f"\nAt depth, with bias variance {survey.bias_variance:g} (xi: layers in which a signal fades e-fold):"),
        depth,
    )


def _mean_field(number: float) -> str:
    return "none" if math.isnan(number) else f"{number:.5g}"
