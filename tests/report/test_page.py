"""The page of a comparison: what it says, that it asks for nothing, odd studies, and how it is kept."""

from __future__ import annotations

import math
import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

import goodinit
from goodinit.comparison import Comparison, design
from goodinit.comparison.rerun import rerun
from goodinit.datasets import Dataset
from goodinit.report import ranking_latex, study_figures
from goodinit.report.study_figures import FIGURE_KINDS, FigureKind, shorten
from goodinit.results import Trial

Comparisons = Callable[..., Comparison]


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order, and no id is there twice."""

    VOID = frozenset({"meta", "br", "link", "img", "hr", "input"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def check_alone(text: str, page: Page) -> None:
    """Nothing in it makes a browser ask for anything."""
    without_pictures = re.sub(r'"data:image/png;base64,[A-Za-z0-9+/=\s]*"', '"data:"', text)
    markup = " ".join(re.findall(r"<[^>]*>", without_pictures))
    assert not re.search(r"https?:|//|@import|file:", markup + re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1])
    assert not {"script", "link", "iframe", "img", "object", "embed", "base", "form", "audio", "video"} & set(page.seen)
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), f"{tag} {name}"
        if name in ("src", "href", "xlink:href", "action", "data", "poster"):
            assert value.startswith(("#", "data:image/png;base64,")), f"{tag} {name}={value[:60]}"
    assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)\)", without_pictures))
    targets = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', without_pictures)
    assert {one or two for one, two in targets} <= set(page.ids)


def check_figures(folder: Path, kinds: Sequence[str] = FIGURE_KINDS) -> list[str]:
    """Every figure is there as files of these kinds that can be read; the names without their endings."""
    names = sorted({file.stem for file in folder.iterdir() if file.suffix != ".tex"})
    assert sorted(file.name for file in folder.iterdir() if file.suffix != ".tex") == sorted(
        f"{n}.{kind}" for n in names for kind in kinds
    )
    for name in names:
        assert ET.parse(folder / f"{name}.svg").getroot().tag.endswith("svg")
        if "png" in kinds:
            with Image.open(folder / f"{name}.png") as picture:
                picture.load()
                assert min(picture.size) > 200
        if "pdf" in kinds:
            assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    return names


def written(
    comparison: Comparison, folder: Path, kinds: Sequence[FigureKind] = ("svg",)
) -> tuple[str, Page, list[str]]:
    """Write the page, check what holds for every page, and give its text, its parts and its figures' names."""
    with mock.patch.object(study_figures, "FIGURE_KINDS", kinds):
        path = comparison.report(folder / "report.html")
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    check_alone(text, page)
    figures = check_figures(folder / "report-figures", kinds)
    assert text.count("<svg") == len(figures)
    assert sorted(file.name for file in folder.iterdir()) == ["report-figures", "report.html"]
    return text, page, figures


def lost(trial: Trial) -> Trial:
    return replace(
        trial,
        loss_steps=trial.loss_steps[:1],
        loss_values=trial.loss_values[:1],
        final_loss=math.nan,
        test_score=0.5,
        diverged=True,
        diverged_by=2,
    )


def failed(trial: Trial) -> Trial:
    return replace(
        trial,
        loss_steps=(),
        loss_values=(),
        final_loss=math.nan,
        test_score=0.0,
        findings=(),
        failure="MemoryError: <b>too large</b>",
        parameters={},
    )


@pytest.fixture(scope="module")
def small() -> Comparison:
    """Three starts, six seeds, few steps, with the second start diverging on two seeds and the third failing on one."""
    found = goodinit.compare(seeds="0-7", steps=40, perturbations=1)
    trials = [
        lost(trial)
        if trial.initialization == "normal(std=10)" and trial.seed in (1, 2)
        else failed(trial)
        if trial.initialization == "he_normal" and trial.seed == 3
        else trial
        for trial in found.trials
    ]
    return replace(found, trials=tuple(trials))


@pytest.fixture(scope="module")
def page(small: Comparison, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page, list[str]]:
    return written(small, tmp_path_factory.mktemp("page"))


def test_the_page_says_what_was_run_and_what_came_of_it(small: Comparison, page: tuple[str, Page, list[str]]) -> None:
    text, parts, figures = page
    for words in (
        "Initializations compared on circles",
        "2-10-5-1 units, relu",
        "goodinit compare --steps 40 --perturbations 1 --seeds 0-7",
        "goodinit.compare(steps=40, perturbations=1, seeds='0-7')",
        "identical-units",
        "8 of 8",
        "A run that diverged or failed counts as test accuracy 0",
        "Python",
        "NumPy",
    ):
        assert words in parts.text
    for note in small.ranking().notes:
        assert re.sub(r"\s+", " ", note) in parts.text
    for trial in small.shown:
        assert trial.why in parts.text
    for group in small.ranking().groups:
        assert f"{group.summary.iqm.low:.3f} to {group.summary.iqm.high:.3f}" in parts.text
        assert f"{group.summary.divergence.value:.0%}" in parts.text
    for pair in small.ranking().pairs:
        assert f"{pair.wins} / {pair.ties} / {pair.losses}" in parts.text
    assert figures == ["decision-boundaries", "final-results", "learning-curves"]
    assert text.startswith("<!DOCTYPE html>")


def test_the_ranking_is_a_latex_table_of_the_numbers_on_the_page(small: Comparison) -> None:
    text = small.to_latex()
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    rows = [re.split(r"(?<!\\)&", row.removesuffix(r" \\")) for row in body.strip().splitlines()]
    assert [row[1].strip() for row in rows] == [
        rf"\texttt{{{name.replace('_', chr(92) + '_')}}}" for name in small.ranking().names
    ]
    for row, group in zip(rows, small.ranking().groups, strict=True):
        assert row[0].strip() == str(group.rank)
        assert row[2].strip().startswith(f"{group.summary.iqm.value:.3f} ")
        assert f"{group.summary.iqm.low:.3f} to {group.summary.iqm.high:.3f}" in row[2]
    assert {len(row) for row in rows} == {text.split(r"\toprule")[1].split(r"\midrule")[0].count("&") + 1}
    assert re.sub(r"\\.", "", text).count("%") == 1  # the line that says what the table needs
    odd = replace(small.task, name="50% of $x_1$ & ~y^2 {z} #1\\")
    caption = next(line for line in ranking_latex(odd, small.summaries[0]).splitlines() if r"\caption" in line)
    assert r"50\% of \$x\_1\$ \& \textasciitilde{}y\textasciicircum{}2 \{z\} \#1\textbackslash{}," in caption


def test_failed_runs_are_listed_and_their_reason_is_escaped(page: tuple[str, Page, list[str]]) -> None:
    text, parts, _ = page
    assert "MemoryError: <b>too large</b>" in parts.text
    assert "<b>too" not in text
    assert "Runs that failed" in parts.text


def test_nothing_tells_whose_machine_it_was(page: tuple[str, Page, list[str]]) -> None:
    import getpass
    import platform

    _, parts, _ = page
    assert str(Path.home()) not in parts.text
    assert str(Path.cwd()) not in parts.text
    for name in (platform.node(), getpass.getuser()):
        assert not re.search(rf"\b{re.escape(name)}\b", parts.text)


def test_writing_twice_gives_the_same_page(
    small: Comparison, page: tuple[str, Page, list[str]], tmp_path: Path
) -> None:
    again, _, _ = written(small, tmp_path)
    when = re.compile(r"<dd>[^<]* UTC</dd>")
    assert when.sub("", again) == when.sub("", page[0])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first figure, where a test is about files."""
    from goodinit.report import page

    every = page.drawings
    monkeypatch.setattr(page, "drawings", lambda result: every(result)[:1])


@pytest.mark.usefixtures("quick")
def test_an_existing_page_or_folder_is_kept_unless_overwritten(small: Comparison, tmp_path: Path) -> None:
    one = replace(small, trials=small.shown, study=replace(small.study, seeds=small.study.seeds[:1]))
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(goodinit.GoodinitError, match=r"report\.html exists"):
        one.report(path)
    path.unlink()
    (tmp_path / "report-figures").mkdir()
    with pytest.raises(goodinit.GoodinitError, match="report-figures exists"):
        one.report(path)
    (tmp_path / "report-figures" / "notes.txt").write_text("mine")
    with pytest.raises(goodinit.GoodinitError, match=r"notes\.txt, which is not a figure"):
        one.report(path, overwrite=True)
    assert not path.exists()
    (tmp_path / "report-figures" / "notes.txt").rename(tmp_path / "notes.txt")
    (tmp_path / "report-figures" / "stale.png").write_text("old")
    assert one.report(path, overwrite=True) == path
    assert "stale" not in check_figures(tmp_path / "report-figures")
    with pytest.raises(goodinit.GoodinitError, match="this is a folder"):
        one.report(tmp_path)


@pytest.mark.usefixtures("quick")
def test_a_write_that_fails_leaves_what_was_there(
    small: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replace(small, trials=small.shown, study=replace(small.study, seeds=small.study.seeds[:1]))
    path = tmp_path / "report.html"
    path.write_text("before")
    (tmp_path / "report-figures").mkdir()
    (tmp_path / "report-figures" / "old.svg").write_text("before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("goodinit.report.page.write_file", full)
    with pytest.raises(goodinit.GoodinitError, match="No space left"):
        one.report(path, overwrite=True)
    assert path.read_text() == "before"
    assert [file.name for file in (tmp_path / "report-figures").iterdir()] == ["old.svg"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report-figures", "report.html"]
    with pytest.raises(goodinit.GoodinitError, match="cannot be written"):
        one.report(path / "under" / "report.html")


@pytest.fixture
def alike(small: Comparison) -> Comparisons:
    """The small study with its trials changed, and fewer seeds or starts."""

    def make(change: Callable[[Trial], Trial], seeds: int, starts: int) -> Comparison:
        study = replace(small.study, seeds=small.study.seeds[:seeds], initializers=small.study.initializers[:starts])
        names = [str(initializer) for initializer in study.initializers]
        kept = [t for t in small.trials if t.seed in study.seeds and t.initialization in names]
        return Comparison(study, tuple(map(change, kept)))

    return make


@pytest.mark.parametrize(
    ("change", "seeds", "starts", "said"),
    [
        (lambda trial: trial, 1, 3, "On seed 0, "),
        (lambda trial: trial, 1, 1, "One seed is an anecdote"),
        (lambda trial: trial, 4, 1, "There is nothing to compare it with."),
        (lost, 4, 2, "Every run of every initialization diverged or failed"),
        (failed, 3, 2, "Every run of every initialization diverged or failed"),
        (failed, 1, 1, "The only run diverged or failed"),
    ],
)
def test_small_and_unlucky_studies(
    alike: Comparisons, tmp_path: Path, change: Callable[[Trial], Trial], seeds: int, starts: int, said: str
) -> None:
    comparison = alike(change, seeds, starts)
    _, page, figures = written(comparison, tmp_path)
    assert said in page.text
    assert ("decision-boundaries" in figures) == (change is not failed)
    Page(comparison._repr_html_())


def hostile() -> Dataset:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = (X[:, 0] > 0).astype(np.intp)
    classes = ("<script>alert(1)</script>", 'a"b & $x_{$ \x07')
    return Dataset("</title><img src=x onerror=alert(1)>$", X[:40], y[:40], X[40:], y[40:], classes, ("<i>", "$y"))


def test_names_are_escaped(tmp_path: Path) -> None:
    found = goodinit.compare(["he_normal", "zeros"], data=hostile(), seeds="0-2", steps=5, perturbations=0)
    text, page, _ = written(found, tmp_path)
    assert "<script" not in text
    assert "onerror=alert(1)>" not in text
    assert "<script>alert(1)</script>" in page.text
    assert "There is no command line for an object that was made in Python." in page.text
    notebook = found._repr_html_()
    assert "<img" not in notebook
    assert "</title><img src=x onerror=alert(1)>$" in Page(notebook).text


def test_a_file_is_named_without_its_folder_and_quoted(tmp_path: Path) -> None:
    place = tmp_path / "secret folder"
    place.mkdir()
    file = place / "a 'b' <script>; rm.csv"
    rows = "\n".join(f"{i % 7},{i % 5},{'yes' if i % 2 else 'no'}" for i in range(40))
    file.write_text(f"u,v,label\n{rows}\n")
    found = goodinit.compare("he_normal", data=file, target="label", seeds="0-1", steps=4, perturbations=0)
    out = tmp_path / "out"
    text, page, _ = written(found, out)
    assert "secret folder" not in text
    assert "<script" not in text
    told = rerun(found.study, perturbations=0, margin=found.margin, target_loss=found.target_loss)
    words = shlex.split(told.command.replace("\\\n", " ").splitlines()[0])
    assert words[words.index("--data") + 1] == file.name
    assert "run this in the folder that holds it" in page.text


def test_twenty_long_starts_on_several_rates(small: Comparison, tmp_path: Path) -> None:
    names = [f"normal(std={1 + number / 7})" for number in range(19)] + ["he_normal"]
    base = [trial for trial in small.trials if trial.initialization == "zeros"]
    long = "_with_a_name_that_goes_on_and_on" * 3
    study = design(names, learning_rate=[0.01, 0.1], seeds="0-2", steps=40)
    tuning = [
        replace(trial, initialization=f"{name}{long if number < 2 else ''}", learning_rate=rate, parameters={})
        for trial in base[:3]
        for number, name in enumerate(names)
        for rate in (0.01, 0.1)
    ]
    trials = [trial for trial in tuning if trial.learning_rate == 0.01]
    _, page, figures = written(Comparison(study, tuple(trials), tuple(tuning)), tmp_path)
    assert figures == ["final-results", "learning-curves", "learning-rates"]
    assert f"{names[0]}{long}" in page.text
    assert "all others" in page.text


def test_a_tuned_study_on_two_tasks(tmp_path: Path) -> None:
    found = goodinit.compare(
        ["zeros", "he_normal"], tasks=["moons", "xor"], learning_rate="auto", seeds="0-3", steps=6, perturbations=0
    )
    _, page, figures = written(found, tmp_path, FIGURE_KINDS)
    assert "performance-profile" in figures
    assert {"task1-learning-rates", "task2-learning-rates", "task2-decision-boundaries"} <= set(figures)
    assert "tuned for each initialization among" in page.text
    assert "--task moons" in page.text
    for heading in ("Results on moons", "Results on xor", "Over all tasks"):
        assert heading in page.text


def test_the_summary_for_notebooks_is_a_part_of_a_page(small: Comparison) -> None:
    html = small._repr_html_()
    page = Page(html)
    assert not {"html", "head", "body", "script", "link"} & set(page.seen)
    rules = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert rules is not None
    selectors = [part.strip() for rule in re.findall(r"([^{}]+)\{", rules[1]) for part in rule.split(",")]
    assert all(selector.startswith(".goodinit-summary") for selector in selectors)
    for name in small.ranking().names:
        assert name in page.text
    assert len(html) < 20_000


def test_names_are_told_short() -> None:
    assert len(shorten("x" * 100, 40)) == 40
    assert shorten("he_normal") == "he_normal"
