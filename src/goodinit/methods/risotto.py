"""RISOTTO: residual networks with ReLU whose Jacobian at the start is orthogonal, at any depth and finite width."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer, LooksLinear
from goodinit.initializers.mirrored import MirroredBlock
from goodinit.methods.assignment import Assignment
from goodinit.methods.base import Method
from goodinit.methods.every import EveryWeight
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.structure import MULTIPLYING, Branch, Structure

__all__ = ["Risotto"]


@register
@dataclass(frozen=True)
class Risotto(Method):
    """Residual blocks of ReLU networks as orthogonal maps: what passes is [relu(u), relu(-u)], and u is turned only.

    The first layer is mirrored, [O; -O], the readout [O, -O], layers between as `looks_linear`. A block
    relu(x + W2 relu(W1 x)) has W1 = [[I, -I], [-I, I]] and W2 = [[O, -O], [-O, O]] - I, which takes the shortcut out
    and turns u by O; where the shortcut is a projection, it and the branch each bring half of O u. A convolution has
    its matrix at the kernel's centre. With biases of 0 all singular values of the Jacobian are 1.

    >>> import torch, goodinit
    >>> class Block(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.one, self.two = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)
    ...     def forward(self, x):
    ...         return torch.relu(x + self.two(torch.relu(self.one(x))))
    >>> first, last = torch.nn.Linear(4, 8), torch.nn.Linear(8, 4)
    >>> model = torch.nn.Sequential(first, torch.nn.ReLU(), Block(), Block(), last).double()
    >>> done = goodinit.initialize(model, "risotto", seed=0, inputs=torch.ones(1, 4).double())
    >>> jacobian = torch.autograd.functional.jacobian(model, torch.randn(4).double())
    >>> bool(torch.allclose(jacobian.T @ jacobian, torch.eye(4).double()))
    True

    Raises GoodinitError where one run shows no residual stream, and for blocks of another form: with norms, with
    another activation, of other than two layers, of odd widths, or whose branch is narrower than its stream.
    """

    name = "risotto"
    summary = "residual ReLU networks with mirrored, orthogonal blocks: dynamical isometry at any depth and width"
    formula = "x = [relu(u), relu(-u)]; block: u -> O u; W1 = LL(I), W2 = LL(O) - I; LL(M) = [[M, -M], [-M, M]]"
    reference = "after Gadhikar & Burkholz 2022, Dynamical isometry for residual networks (2210.02411)"
    needs = ("run",)
    elsewhere = MappingProxyType({"PyTorch, Keras, JAX": "none"})

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """Mirrored weights, block by block."""
        streams = self.ran(structure).streams
        if not streams:
            raise GoodinitError(f"{self}: one run shows no residual stream; looks_linear is for networks without one")
        found: dict[str, Initializer] = {}
        for stream in streams:
            for branch in stream.branches:
                found |= self._block(structure, branch)
        made = []
        for each in EveryWeight(LooksLinear()).prepare(structure):
            if each.name in found:
                each = replace(each, initializer=found[each.name], because="residual block")
            elif structure[each.name].role in MULTIPLYING and each.because == "init":
                first, last = each.name in structure.inputs, each.name in structure.readouts
                side: Literal["out", "in", "both"] = "out" if first else "in" if last else "both"
                own: Initializer = LooksLinear(side=side)
                if structure[each.name].target.kind == "conv" and structure[each.name].target.groups == 1:
                    own = MirroredBlock(side, each.name)
                each = replace(each, initializer=own, because="first" if first else each.because)
            made.append(each)
        return tuple(made)

    def _block(self, structure: Structure, branch: Branch) -> dict[str, Initializer]:
        where = branch.ends[0].module
        if branch.norm_before or branch.norm_inside or branch.norm_at_end or branch.passed:
            raise GoodinitError(f"{self}: it is for blocks without norms, and that which ends in {where} has some")
        shortcut = branch.shortcut
        calls = [call for call in branch.calls if call is not shortcut]
        fits = len(calls) == 2 and len(branch.ends) == 1 and calls[1] == branch.ends[0] and branch.activation is None
        fits = fits and calls[1].input_activation == "relu" and calls[0].input_activation == "relu"
        fits = fits and all(structure[call.weight].target.kind in ("linear", "conv") for call in calls)
        if not fits:
            raise GoodinitError(
                f"{self}: it is for blocks relu(x + W2 relu(W1 x)) behind a ReLU, and {where} ends none"
            )
        one, two = (structure[call.weight] for call in calls)
        (_, hidden, into), (_, out, middle) = (each.target.stack_shapes[0][:3] for each in (one, two))
        even = not (hidden % 2 or into % 2 or out % 2) and one.target.groups == two.target.groups == 1
        wide = hidden >= into and middle == hidden and (out == into if shortcut is None else out >= into)
        if not even or not wide or (shortcut is None and hidden != into):
            raise GoodinitError(
                f"{self}: the block that ends in {where} must have even widths, none narrower than its input; it goes "
                f"from {into} by {hidden} to {out}"
            )
        key = f"{one.name}|{two.name}"
        if shortcut is None:
            return {one.name: MirroredBlock("first", key), two.name: MirroredBlock("end", key)}
        projection = structure[shortcut.weight]
        return {
            one.name: MirroredBlock("first beside", key),
            two.name: MirroredBlock("end beside", key, into),
            projection.name: MirroredBlock("shortcut", key),
        }
