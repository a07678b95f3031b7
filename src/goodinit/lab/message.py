"""The one message of the page's engine: train these weights on this data, and give me the parameters at these steps.

A message is a JSON object on one line, the task, and then float64 numbers, little-endian: the inputs and the targets, a
row an example, and the networks' parameters, each W1, b1, W2, ... one after another. The answer is records: a kind and
a size in bytes, uint32 each, and so many bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goodinit import activations
from goodinit.errors import GoodinitError
from goodinit.lab import fields
from goodinit.lab.errors import LabError
from goodinit.lab.limits import LIMITS, most_work
from goodinit.networks import MLP, Loss, Parameters
from goodinit.training import OPTIMIZERS, Schedule

__all__ = ["Message", "RecordKind", "error_record", "flat", "read_message", "read_network", "record"]

_TASK: Final = ("network", "networks", "examples", "learning_rate", "optimizer", "steps", "record_every", "batch_size")


class RecordKind(IntEnum):
    """What a record tells."""

    ALIVE = 0
    """Nothing: work is under way."""
    PARAMETERS = 1
    """A step, and the parameters of all networks before it, float64."""
    END = 2
    """The final losses, and the step by which each network diverged, -1 where it did not, float64."""
    ERROR = 3
    """Why nothing more comes, JSON."""


def record(kind: RecordKind, *arrays: ArrayLike) -> bytes:
    """A record of these numbers, one after another."""
    body = b"".join(np.ascontiguousarray(each, "<f8").tobytes() for each in arrays)
    return struct.pack("<II", kind, len(body)) + body


def error_record(error: LabError) -> bytes:
    """A record that says why nothing more comes."""
    body = json.dumps(error.to_dict(), allow_nan=False).encode()
    return struct.pack("<II", RecordKind.ERROR, len(body)) + body


@dataclass(frozen=True)
class Message:
    """What is to be trained: an ensemble on the same examples in the same order, drawn from the stream of `seed`.

    `X` has shape (inputs, examples), `Y` (outputs, examples).
    """

    network: MLP
    start: Parameters
    X: NDArray[np.float64]
    Y: NDArray[np.float64]
    schedule: Schedule
    seed: int
    moments: tuple[int, ...]


def read_message(body: bytes) -> Message:
    """The message that a request holds. Raises LabError that names the field, what was given and what is allowed."""
    head, _, rest = body.partition(b"\n")
    if len(head) > LIMITS["json_bytes"]:
        raise LabError("bad-json", "the task before the numbers is too long", status=400)
    task = fields.items(fields.read_json(head), "", (*_TASK, "seed", "moments"))
    network = read_network(task.get("network"))
    networks = fields.whole(task.get("networks"), "networks", 1, LIMITS["together"])
    examples = fields.whole(task.get("examples"), "examples", 1, LIMITS["csv_rows"])
    steps = fields.whole(task.get("steps"), "steps", 1, LIMITS["steps"])
    size = task.get("batch_size")
    schedule = Schedule(
        optimizer=fields.choice(task.get("optimizer"), "optimizer", OPTIMIZERS),
        learning_rate=fields.number(task.get("learning_rate"), "learning_rate", *LIMITS["learning_rate"]),
        steps=steps,
        batch_size=None if size is None else fields.whole(size, "batch_size", 1, LIMITS["csv_rows"]),
        record_every=fields.whole(task.get("record_every"), "record_every", 1, steps),
    )
    seed = fields.whole(task.get("seed"), "seed", *LIMITS["seed"])
    moments = _moments(task.get("moments"), steps)
    taken = min(schedule.batch_size or examples, examples)
    _bounded("values of units over examples", sum(network.widths) * examples * networks, 4 * LIMITS["values"])
    _bounded("operations", networks * network.size * 6.0 * taken * steps, most_work())  # 2 forward, 4 backward
    X, Y, parameters = _numbers(rest, [(examples, network.widths[0]), (examples, network.widths[-1]), (networks, -1)])
    return Message(
        network=network,
        start=_parted(network, parameters),
        X=np.ascontiguousarray(X.T),
        Y=np.ascontiguousarray(Y.T),
        schedule=schedule,
        seed=seed,
        moments=moments,
    )


def read_network(given: Any) -> MLP:
    """A network of a size that the lab takes."""
    entries = fields.items(given, "network", ("widths", "activation", "loss"))
    widths = fields.array(entries.get("widths"), "network.widths", 2, LIMITS["hidden_layers"] + 2)
    most = max(LIMITS["width"], LIMITS["csv_features"])
    loss: Any = fields.choice(entries.get("loss"), "network.loss", get_args(Loss))
    try:
        activation = activations.get(fields.text(entries.get("activation"), "network.activation"))
        network = MLP(
            tuple(fields.whole(each, f"network.widths.{at}", 1, most) for at, each in enumerate(widths)),
            activation,
            loss,
        )
    except LabError:
        raise
    except GoodinitError as error:
        raise LabError("bad-network", str(error), field="network") from None
    _bounded("weights", network.size, LIMITS["weights"])
    return network


def _moments(given: Any, steps: int) -> tuple[int, ...]:
    entries = fields.array(given, "moments", 1, LIMITS["moments"])
    moments = tuple(fields.whole(each, f"moments.{at}", 0, steps) for at, each in enumerate(entries))
    if list(moments) != sorted(set(moments)):
        raise LabError("out-of-range", "moments must rise, each once", field="moments")
    return moments


def _numbers(body: bytes, shapes: Sequence[tuple[int, int]]) -> list[NDArray[np.float64]]:
    """The arrays that follow the task; the last one's columns are what is left."""
    if len(body) % 8:
        raise LabError("bad-numbers", f"{len(body):,} bytes after the task are no float64 numbers", status=400)
    numbers = np.frombuffer(body, "<f8").astype(np.float64)
    if not np.isfinite(numbers).all():
        raise LabError("bad-numbers", "all numbers must be finite", field="parameters", status=400)
    taken, at = [], 0
    for rows, columns in shapes:
        left = numbers[at:] if columns < 0 else numbers[at : at + rows * columns]
        if (columns >= 0 and left.size != rows * columns) or left.size % rows:
            raise LabError("bad-numbers", f"{numbers.size:,} numbers do not fit the task", status=400)
        taken.append(left.reshape(rows, -1))
        at += left.size
    return taken


def _layout(network: MLP) -> list[tuple[str, tuple[int, int]]]:
    return [
        each
        for weight in network.weights
        for each in ((weight.name, (weight.shape[0], weight.shape[1])), (f"b{weight.name[1:]}", (weight.shape[0], 1)))
    ]


def _parted(network: MLP, rows: NDArray[np.float64]) -> Parameters:
    """An ensemble, of its networks' parameters in rows."""
    layout = _layout(network)
    size = sum(rows_ * columns for _, (rows_, columns) in layout)
    if rows.shape[1] != size:
        message = f"each network has {size:,} parameters; {rows.shape[1]:,} were given"
        raise LabError("bad-numbers", message, field="parameters", status=400)
    start, at = {}, 0
    for name, (outputs, inputs) in layout:
        start[name] = rows[:, at : at + outputs * inputs].reshape(-1, outputs, inputs).copy()
        at += outputs * inputs
    return start


def flat(network: MLP, parameters: Parameters) -> NDArray[np.float64]:
    """An ensemble's parameters, a row a network."""
    return np.concatenate([parameters[name].reshape(-1, a * b) for name, (a, b) in _layout(network)], axis=1)


def _bounded(what: str, size: float, most: float) -> None:
    if size > most:
        message = f"this training has {size:.3g} {what}, the lab takes {most:.3g}"
        raise LabError("too-much-work", message, field="network", given=size, allowed={"most": most})
