"""A person's own model by the function that makes it, called afresh for every trial and known by its source."""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any, ClassVar

from goodinit.errors import GoodinitError, shown
from goodinit.trainable import Kind, Loss, OwnLoss
from goodinit.weights import Weight

__all__ = ["ModelFactory", "is_of_a_file", "load_factory", "load_object", "source_fingerprint"]


_OF_A_FILE = "goodinit_factory_"


def is_of_a_file(module: str) -> bool:
    """Whether a module was made from `file.py:FUNCTION`, so that only this process knows it by its name."""
    return module.startswith(_OF_A_FILE)


@dataclass(frozen=True)
class ModelFactory:
    """What makes the model of a task: `make()` gives a new one, or one with its data.

    `text` is how it is called, `fingerprint` a hash of its source and its parts: a changed model is another one.
    `weights` are those of its parameters, `loss` what its outputs are compared with the data by, or `own_loss` in its
    place, `device` where it is trained. `brings_data` says that the data comes from the factory too, `checked` that the
    start of every trial has a checkup, which changes no number of its training, `ensemble` how many are trained as one,
    which changes numbers by rounding. `remembered` says that this was known from an earlier run: nothing can
    be made.
    """

    text: str
    make: Callable[[], Any] = field(repr=False, compare=False)
    fingerprint: str
    weights: tuple[Weight, ...] = field(repr=False)
    loss: Loss
    dtype: str = "float32"
    device: str = "cpu"
    brings_data: bool = False
    checked: bool = True
    ensemble: int = 1
    own_loss: OwnLoss | None = None
    remembered: bool = field(default=False, compare=False)

    kind: ClassVar[Kind] = "model"
    own_start: ClassVar[bool] = True
    engines: ClassVar[bool] = False
    together: ClassVar[bool] = False  # so that each is kept as it ends
    keeps_parameters: ClassVar[bool] = False

    def unchecked(self) -> ModelFactory:
        """The same, whose starts have no checkup."""
        return replace(self, checked=False)

    @property
    def size(self) -> int:
        """The number of parameters."""
        return sum(weight.size for weight in self.weights)

    @property
    def description(self) -> str:
        """The model in a few words."""
        return f"{self.text}, {self.size:,} parameters"

    @property
    def title(self) -> str:
        """The model as a figure's title has it."""
        return self.text

    @property
    def sentence(self) -> str:
        """The model in a sentence."""
        return f"the model {self.description}, on {self.device}"

    @property
    def modules(self) -> tuple[str, ...]:
        """The module that makes the model, and that of its loss."""
        own = () if self.own_loss is None else (self.own_loss.module,)
        return (getattr(self.make, "__module__", ""), *own)

    @property
    def criterion(self) -> Loss | Callable[..., Any]:
        """What outputs are compared with targets by: a person's function, else the name of a loss."""
        return self.loss if self.own_loss is None else self.own_loss.function

    @property
    def needed(self) -> str | None:
        """What a person must have to make the model again."""
        return f"{self.text} makes the model: run this where it can be imported."

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "model": self.text,
            "fingerprint": self.fingerprint,
            "parameters": self.size,
            "device": self.device,
            "loss": self.loss,
            **({} if self.own_loss is None else {"own_loss": self.own_loss.facts}),
        }


def load_factory(given: str | Callable[[], Any]) -> tuple[str, Callable[[], Any]]:
    """The name and the function that `MODULE:FUNCTION` or `file.py:FUNCTION` stands for.

    A function comes back as it is. A module is looked for where Python does, and in the current folder; another one of
    that name that this process has imported is left alone. Its code runs, as with `import`.

    Raises GoodinitError where there is no such module or function, or the module fails.
    """
    if not isinstance(given, str):
        if not callable(given) or isinstance(given, type):
            raise GoodinitError(f"model={shown(given)}: give a function that makes a new model, or MODULE:FUNCTION")
        return getattr(given, "__qualname__", type(given).__name__), given
    return given, load_object(given, "model")


def load_object(given: str, what: str) -> Callable[..., Any]:
    """The function or class that `MODULE:NAME` or `file.py:NAME` stands for; see `load_factory`. `what` it is for."""
    where, colon, name = given.rpartition(":")
    if not colon or not where or not name.isidentifier():
        raise GoodinitError(f"{what} {given!r}: write MODULE:FUNCTION, such as my_models:make or my_models.py:make")
    try:
        module = _from_file(Path(where), what) if where.endswith(".py") else _by_name(where, what)
    except GoodinitError:
        raise
    except Exception as error:
        raise GoodinitError(
            f"{what} {given!r}: {where} cannot be imported ({type(error).__name__}: {error})"
        ) from error
    made: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(made):
        known = [each for each, value in vars(module).items() if inspect.isfunction(value) and not each.startswith("_")]
        raise GoodinitError(f"{what} {given!r}: {where} has no function {name}; it has {', '.join(known) or 'none'}")
    return made


def _by_name(name: str, what: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)  # as `python -m` has it: a command that is installed does not
    importlib.invalidate_caches()
    top = name.partition(".")[0]
    known = getattr(sys.modules.get(top), "__file__", None)
    spec = importlib.machinery.PathFinder.find_spec(top)
    found = spec.origin if spec is not None and spec.has_location else None
    if spec is None or known is None or found is None or Path(known).resolve() == Path(found).resolve():
        return importlib.import_module(name)
    if name != top or spec.submodule_search_locations is not None:
        raise GoodinitError(f"{what}: this process has imported {top} from {known}, and it is now {found}: start anew")
    return _from_file(Path(found), what)


class _SourceLoader(SourceFileLoader):
    """Compiles what the file holds now: cached bytecode counts as fresh for a second, and an edit may be quicker."""

    def get_code(self, fullname: str) -> CodeType:
        """The code of the file as it is."""
        return self.source_to_code(self.get_data(self.path), self.path)


def _from_file(path: Path, what: str) -> Any:
    if not path.is_file():
        raise GoodinitError(f"{what}: there is no file {path}")
    version = hashlib.sha256(str(path.resolve()).encode() + path.read_bytes())  # so that an edited file runs anew
    name = f"{_OF_A_FILE}{version.hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path, loader=_SourceLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def source_fingerprint(objects: list[Any], facts: str) -> str:
    """A hash of the files that define these functions and classes, and of `facts`.

    What is installed by others, and what has no source, such as a line typed into a session, counts by its name or
    its compiled form.
    """
    digest = hashlib.sha256(facts.encode())
    parts: set[bytes] = set()
    for each in objects:
        name = f"{getattr(each, '__module__', '')}.{getattr(each, '__qualname__', type(each).__qualname__)}"
        try:
            file = Path(inspect.getsourcefile(each) or "")
            own = file.is_file() and "site-packages" not in file.parts
            parts.add(file.read_bytes() if own else name.encode())
        except (TypeError, OSError):
            code = getattr(each, "__code__", None)
            parts.add(name.encode() if code is None else code.co_code + repr(code.co_consts).encode())
    for part in sorted(hashlib.sha256(part).digest() for part in parts):
        digest.update(part)
    return digest.hexdigest()[:16]
