"""A scene: what the page's controls say, checked field by field, and the study that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Final

from goodinit import activations, initializers
from goodinit.comparison import CLASSIC_INITIALIZATIONS, design
from goodinit.datasets import BUILTIN, CsvText, Source
from goodinit.datasets.files import read_header
from goodinit.errors import GoodinitError, shown
from goodinit.initializers import Scaled
from goodinit.lab import fields
from goodinit.lab.errors import LabError
from goodinit.lab.limits import LIMITS, most_work
from goodinit.options import OPTIONS
from goodinit.results import Study
from goodinit.spec import format_spec

__all__ = ["CLASSED", "NOISE", "OWN", "STREAMS", "Choice", "Data", "Scene", "read_file", "read_scene"]

OWN: Final = "points.csv"  # what a person's own points are called outside the page
STREAMS: Final = OPTIONS["stream"].choices
CLASSED: Final = tuple(name for name, kind in BUILTIN.items() if kind.classes and not kind.standardized)
NOISE: Final = {"circles": 0.5, "moons": 0.5, "spirals": 0.3, "xor": 0.5, "blobs": 2.0}
"""The most noise the page offers."""


@dataclass(frozen=True)
class Data:
    """Which data: a built-in set with its options, the page's own points, or an uploaded CSV."""

    name: str = "circles"
    noise: float | None = 0.05
    points: int | None = 300
    own: tuple[tuple[float, float, int], ...] = ()
    csv: str | None = None
    target: str | None = None
    standardize: bool = True


@dataclass(frozen=True)
class Choice:
    """One start: an initializer's text, and what its weights are multiplied by."""

    spec: str
    gain: float = 1.0

    @property
    def text(self) -> str:
        """The initializer with its gain, as `goodinit compare` takes it."""
        return self.spec if self.gain == 1 else str(Scaled(self.spec, self.gain))


@dataclass(frozen=True)
class Scene:
    """All that the page's controls say; the defaults are the classic experiment. See docs/lab.md."""

    data: Data = field(default_factory=Data)
    hidden: tuple[int, ...] = OPTIONS["widths"].usual
    activation: str = OPTIONS["activation"].usual
    loss: str = "cross_entropy"
    inits: tuple[Choice, ...] = tuple(Choice(text) for text in CLASSIC_INITIALIZATIONS)
    learning_rate: float = OPTIONS["learning_rate"].usual
    optimizer: str = OPTIONS["optimizer"].usual
    steps: int = OPTIONS["steps"].usual
    batch_size: int | None = OPTIONS["batch_size"].usual
    seed: int = 3
    seeds: int = 1
    stream: str = OPTIONS["stream"].usual

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, every field explicit."""
        return asdict(self)

    def study(self, file: CsvText | None = None) -> Study:
        """The study that `goodinit compare` would run for this scene; `file` is what its data name where they are one.

        Raises LabError for data that cannot be trained on, and for more work than the lab takes.
        """
        last = self.seed + self.seeds - 1
        changed = {name: getattr(self, name) for name in _OPTIONS if getattr(self, name) != getattr(_CLASSIC, name)}
        options = {**self._data(file), **{_OPTIONS[name]: value for name, value in changed.items()}}
        try:
            study = design([each.text for each in self.inits], seeds=range(self.seed, last + 1), **options)
        except GoodinitError as error:
            raise LabError("refused", str(error)) from None
        _check_size(study)
        return study

    def _data(self, file: CsvText | None) -> dict[str, Any]:
        data = self.data
        if data == _CLASSIC.data:
            return {}
        if data.name in BUILTIN:
            given = {"noise": data.noise, "points": data.points}
            options = {name: value for name, value in given.items() if value is not None}
            return {"data": format_spec(data.name, options)}
        if data.name == "own":
            return {"data": CsvText(OWN, self.own_csv()), "target": "label", "standardize": False}
        if file is None:
            message = "the CSV file is not on the page any more; drop it there again"
            raise LabError("expired-csv", message, field="data.csv", given=data.csv, status=410)
        named = f"data.{'target' if data.target is not None else 'csv'}"
        try:
            target = data.target or read_header(file)[0][-1]
            examples = Source(file, target, data.standardize).dataset(self.seed)
        except GoodinitError as error:
            raise LabError("bad-data", str(error), field=named, given=file.name) from None
        count = len(examples.y_train) + len(examples.y_test)
        for what, size, most in (
            ("features", len(examples.features), LIMITS["csv_features"]),
            ("rows", count, LIMITS["csv_rows"]),
        ):
            if size > most:
                message = f"{file.name} has {size:,} {what}; the lab takes {most:,}, goodinit compare any number"
                raise LabError("too-much-work", message, field="data.csv", given=size, allowed={"most": most})
        return {"data": file, "target": target, "standardize": data.standardize}

    def own_csv(self) -> str:
        """The page's own points as a CSV file."""
        rows = [f"{x!r},{y!r},{label}" for x, y, label in self.data.own]
        return "\n".join(["x1,x2,label", *rows, ""])


_CLASSIC: Final = Scene()
_OPTIONS: Final = {
    "hidden": "widths",
    **{name: name for name in Scene.__dataclass_fields__ if name in OPTIONS and name not in ("data", "seed", "seeds")},
}
"""What a field is called among the options of `goodinit compare`."""
_MOST: Final = {"steps": LIMITS["steps"], "batch_size": LIMITS["csv_rows"]}


def read_scene(given: Any) -> Scene:
    """The scene that a request describes, what it leaves out being the classic experiment's.

    Raises LabError that names the field, what was given and what is allowed.
    """
    entries = fields.items(given, "", Scene.__dataclass_fields__)
    read: dict[str, Callable[[Any], Any]] = {
        **{name: partial(_read_option, name) for name in _OPTIONS},
        "data": _read_data,
        "hidden": _read_hidden,
        "activation": _read_activation,
        "inits": _read_inits,
        "seed": lambda value: fields.whole(value, "seed", *LIMITS["seed"]),
        "seeds": lambda value: fields.whole(value, "seeds", 1, LIMITS["seeds"]),
    }
    scene = replace(_CLASSIC, **{name: read[name](value) for name, value in entries.items()})
    fields.whole(scene.seed + scene.seeds - 1, "seed", *LIMITS["seed"])
    if scene.loss == "squared_error" and scene.data.name in (
        "own",
        "csv",
    ):  # a file's target is a number there
        message = "loss = 'squared_error': it predicts numbers from a file; the lab shows classes, with cross_entropy"
        raise LabError("unknown-name", message, field="loss", given=scene.loss, allowed={"choices": ["cross_entropy"]})
    return scene


def read_file(given: Any) -> CsvText | None:
    """The file that a request brings with its scene, `{"name", "text"}`. Raises LabError for what is none."""
    if given is None:
        return None
    entries = fields.items(given, "file", ("name", "text"))
    name = fields.text(entries.get("name"), "file.name").replace("\\", "/").rpartition("/")[2] or "data.csv"
    text = entries.get("text")
    if not isinstance(text, str):
        raise LabError("wrong-type", "file.text must be a text", field="file.text")
    if len(text.encode()) > LIMITS["csv_bytes"]:
        most = LIMITS["csv_bytes"]
        raise LabError("too-large", f"{name} is larger than {most:,} bytes", allowed={"most": most}, status=413)
    return CsvText(name, text)


def _read_option(name: str, given: Any) -> Any:
    """An option of `compare`, within its bounds and the lab's."""
    option = OPTIONS[name]
    if option.choices:
        return fields.choice(given, name, option.choices)
    if option.kind == "integer" and option.bounds is not None:
        low = int(option.bounds.low)
        return None if given is None and option.usual is None else fields.whole(given, name, low, _MOST[name])
    return fields.number(given, name, *LIMITS[name])


def _read_data(given: Any) -> Data:
    entries = fields.items(given, "data", Data.__dataclass_fields__)
    name = fields.choice(entries.get("name", "circles"), "data.name", [*CLASSED, "own", "csv"])
    if name == "own":
        return Data(name, None, None, own=_read_own(entries.get("own", [])))
    if name == "csv":
        target = entries.get("target")
        return Data(
            name,
            None,
            None,
            csv=fields.text(entries.get("csv"), "data.csv"),
            target=None if target is None else fields.text(target, "data.target"),
            standardize=fields.boolean(entries.get("standardize", True), "data.standardize"),
        )
    kind = BUILTIN[name]
    noise, points = entries.get("noise"), entries.get("points")
    for option, value, usual in (("noise", noise, kind.noise), ("points", points, kind.points)):
        if value is not None and usual is None:
            message = f"data.{option} = {shown(value)}: {name} has no {option}; leave it out"
            raise LabError("unknown-field", message, field=f"data.{option}", given=value)
    return Data(
        name,
        kind.noise if noise is None else fields.number(noise, "data.noise", 0, NOISE[name]),
        kind.points if points is None else fields.whole(points, "data.points", *LIMITS["points"]),
    )


def _read_own(given: Any) -> tuple[tuple[float, float, int], ...]:
    most = LIMITS["own_coordinate"]
    points = []
    for number, each in enumerate(fields.array(given, "data.own", 4, LIMITS["own_points"])):
        name = f"data.own.{number}"
        x, y, label = fields.array(each, name, 3, 3)
        points.append(
            (
                fields.number(x, f"{name}.0", -most, most),
                fields.number(y, f"{name}.1", -most, most),
                fields.whole(label, f"{name}.2", 0, LIMITS["own_classes"] - 1),
            )
        )
    counts = {label: sum(1 for point in points if point[2] == label) for *_, label in points}
    if len(counts) < 2 or min(counts.values()) < 2:
        entries = ", ".join(f"{count} of class {label}" for label, count in sorted(counts.items()))
        message = f"data.own: there are {entries}; give two classes or more, with two points each at least"
        raise LabError("bad-data", message, field="data.own", given=entries)
    return tuple(points)


def _read_hidden(given: Any) -> tuple[int, ...]:
    widths = fields.array(given, "hidden", 0, LIMITS["hidden_layers"])
    return tuple(fields.whole(width, f"hidden.{at}", 1, LIMITS["width"]) for at, width in enumerate(widths))


def _read_activation(given: Any) -> str:
    word = fields.text(given, "activation")
    try:
        return activations.get(word).name
    except GoodinitError as error:
        known = {"choices": activations.names()}
        raise LabError("unknown-name", str(error), field="activation", given=word, allowed=known) from None


def _read_inits(given: Any) -> tuple[Choice, ...]:
    chosen: list[Choice] = []
    for at, each in enumerate(fields.array(given, "inits", 1, LIMITS["inits"])):
        name = f"inits.{at}"
        entries: Mapping[str, Any] = (
            {"spec": each} if isinstance(each, str) else fields.items(each, name, ("spec", "gain"))
        )
        spec = fields.text(entries.get("spec"), f"{name}.spec", 400)
        gain = fields.number(entries.get("gain", 1), f"{name}.gain", *LIMITS["gain"])
        try:
            choice = Choice(str(initializers.get(spec)), gain)
            repeated = choice.text in [other.text for other in chosen]
        except GoodinitError as error:
            raise LabError("bad-initializer", str(error), field=f"{name}.spec", given=spec) from None
        if repeated:
            message = f"{name}: {choice.text} is there already; choose another or another gain"
            raise LabError("repeated", message, field=f"{name}.spec", given=choice.text)
        chosen.append(choice)
    return tuple(chosen)


def _check_size(study: Study) -> None:
    """Refuse a network, or a training, that is too large for a page."""
    task = study.tasks[0]
    weights = sum(weight.size for weight in task.mlp.weights)
    data = task.source.dataset(study.seeds[0])
    examples = len(data.y_train)
    taken = min(task.schedule.batch_size or examples, examples)
    trainings = len(study.initializers) * len(study.seeds)
    work = trainings * weights * 6.0 * taken * task.schedule.steps  # forward, and twice backward, of 2 each
    for field_, what, size, most in (
        ("hidden", "weights", weights, LIMITS["weights"]),
        ("hidden", "values of units over examples", sum(task.mlp.widths) * examples, LIMITS["values"]),
        ("steps", "operations", work, most_work()),
    ):
        if size > most:
            message = (
                f"this scene has {size:.3g} {what}, the lab takes {most:.3g}; choose fewer steps, seeds, units or "
                "points, or take it to goodinit compare"
            )
            raise LabError("too-much-work", message, field=field_, given=size, allowed={"most": most})
