"""The page of a comparison: one HTML file that asks for nothing else; its figures and tables as files beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from goodinit.errors import GoodinitError
from goodinit.hidden import hidden_folder
from goodinit.report import page_parts as parts
from goodinit.report import study_figures as draw
from goodinit.report import svg
from goodinit.report.folder import INCOMPLETE, check_place, mark, write_file
from goodinit.report.latex import ranking_latex
from goodinit.report.page_figures import drawings
from goodinit.report.study_figures import Drawing
from goodinit.report.study_result import StudyResult

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["check_page", "notebook_html", "page_html", "template_environment", "write_page"]

_TABLE: Final = ".tex"
_KINDS: Final = (*(f".{kind}" for kind in draw.FIGURE_KINDS), _TABLE)


def write_page(result: StudyResult, path: str | Path, overwrite: bool = False) -> Path:
    """Write the page at `path` and its figures into the folder `NAME-figures` beside it, all of it or nothing.

    Raises GoodinitError where one of them exists and `overwrite` is not set, or where they cannot be written.
    """
    place = Path(path)
    folder = place.with_name(f"{place.stem}-figures")
    _check(place, folder, overwrite)
    drawn = drawings(result)
    rendered = {drawing.name: draw.render(drawing, draw.FIGURE_KINDS) for drawing in drawn}
    files = {f"{name}.{kind}": file for name, kinds in rendered.items() for kind, file in kinds.items()}
    files |= _tables(result)
    page = _page(result, drawn, {name: kinds["svg"] for name, kinds in rendered.items()}, folder.name)
    _check(place, folder, overwrite)  # again: another may have been written meanwhile
    try:
        _write(place, page.encode("utf-8", "replace"), folder, files)
    except OSError as error:
        raise _unwritable(place, error) from error
    return place


def _tables(result: StudyResult) -> dict[str, bytes]:
    """The ranking of each task as LaTeX, by the file's name."""
    ranked = zip(result.study.tasks, result.summaries, strict=True)
    texts = [ranking_latex(task, summary) for task, summary in ranked]
    names = [f"ranking{'' if len(texts) == 1 else f'-{number}'}{_TABLE}" for number in range(1, len(texts) + 1)]
    return {name: text.encode() for name, text in zip(names, texts, strict=True) if text}


def page_html(result: StudyResult) -> str:
    """The page alone, for a browser to keep: it names no files beside it."""
    drawn = drawings(result)
    return _page(result, drawn, {drawing.name: draw.render(drawing)["svg"] for drawing in drawn}, None)


def notebook_html(result: StudyResult) -> str:
    """The summary as HTML for a notebook's output: tables with a style of their own, and no page around them."""
    return template_environment().get_template("summary.html").render(parts.page_facts(result))


def _page(result: StudyResult, drawn: Sequence[Drawing], svgs: Mapping[str, bytes], folder: str | None) -> str:
    from markupsafe import Markup, escape

    shown: dict[str, list[dict[str, Any]]] = {}
    for number, drawing in enumerate(drawn):
        picture = svg.inline(svgs[drawing.name], f"f{number}", str(escape(drawing.heading)), light=drawing.light)
        facts = {
            "heading": drawing.heading,
            "caption": drawing.caption,
            "file": drawing.name,
            "light": drawing.light,
            "svg": Markup(picture),  # safe: our own drawing, in which foreign text is shapes of letters
        }
        shown.setdefault(drawing.task, []).append(facts)
    facts = parts.page_facts(result)
    return (
        template_environment()
        .get_template("page.html")
        .render(**facts, figures=shown, folder=folder, environment=parts.environment(datetime.now(UTC)))
    )


@cache
def template_environment() -> Environment:
    """The templates of pages, which escape whatever they are given."""
    from importlib.resources import files

    from jinja2 import Environment, FunctionLoader, StrictUndefined

    templates = files("goodinit.report").joinpath("templates")
    return Environment(
        loader=FunctionLoader(lambda name: templates.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def check_page(path: str | Path, overwrite: bool = False) -> None:
    """Raise what `write_page` would raise of what is there already, so that it is said before the work."""
    place = Path(path)
    _check(place, place.with_name(f"{place.stem}-figures") if place.name else place, overwrite)


def _check(place: Path, folder: Path, overwrite: bool) -> None:
    try:
        _look(place, folder, overwrite)
    except OSError as error:
        raise _unwritable(place, error) from error


def _look(place: Path, folder: Path, overwrite: bool) -> None:
    if place.is_dir() or not place.name:
        raise GoodinitError(f"{place}: this is a folder; give the page's file name, such as {place / 'report.html'}")
    if not overwrite:
        for kept in (place, folder):
            if os.path.lexists(kept):
                raise GoodinitError(f"{kept} exists; choose another name or say overwrite=True")
    elif os.path.lexists(folder):
        own = folder.is_dir() and not folder.is_symlink()
        foreign = sorted(file.name for file in folder.iterdir() if not _is_ours(file)) if own else [""]
        if foreign:
            what = f"holds {foreign[0]}, which is not a figure" if own else "is not a folder"
            raise GoodinitError(f"{folder} {what}, so that it is not replaced; choose another name for the page")
    check_place(place)


def _is_ours(file: Path) -> bool:
    return file.suffix in _KINDS or file.name == INCOMPLETE


def _unwritable(place: Path, error: OSError) -> GoodinitError:
    return GoodinitError(f"{place}: the page cannot be written ({error.strerror or error}); choose another place")


def _write(place: Path, page: bytes, folder: Path, files: Mapping[str, bytes]) -> None:
    """Write everything under hidden names first, then give it its names; take the old ones back where that fails.

    From the first figure that is replaced until the page is, the folder is marked.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with hidden_folder(place.parent) as hidden:
        new, old = hidden / "new", hidden / "old"
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        mark(new)
        replaced = folder.exists()
        if replaced:
            mark(folder)
            folder.rename(old)
        try:
            new.rename(folder)
            write_file(place, page)
        except BaseException:
            if folder.exists():
                folder.rename(new)
            if replaced:
                old.rename(folder)
                (folder / INCOMPLETE).unlink()
            raise
        (folder / INCOMPLETE).unlink()
