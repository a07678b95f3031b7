"""What writes the documentation's site: links, the menu, the pages that it makes, and the check that ends it."""

import inspect
import math
import re
import sys
from pathlib import Path

import pytest

import goodinit
from goodinit import activations, initializers, methods, recipes

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools" / "docs_site"))

import entries  # noqa: E402
from checking import problems  # noqa: E402
from links import PAGES, relinked  # noqa: E402
from navigation import navigation  # noqa: E402
from reference import modules, public_names, reference_pages  # noqa: E402
from texts import citations, gallery  # noqa: E402
from transcript import transcript  # noqa: E402


@pytest.fixture(scope="module")
def pages():
    """The catalogue's pages, without the time that its pictures and surveys take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "initializer_drawing", lambda *_: b"<svg/>")
        patch.setattr(entries, "activation_drawing", lambda *_: b"<svg/>")
        survey, small = entries.theory.survey, entries.theory.survey("tanh")
        patch.setattr(entries.theory, "survey", lambda name: survey(name) if name == "gelu" else small)
        return entries.catalogue_pages()


@pytest.mark.parametrize(
    ("text", "path", "uri", "expected"),
    [
        ("[a](docs/lab.md)", "README.md", "index.md", "[a](lab.md)"),
        ("[a](docs/check.md#limits)", "README.zh-CN.md", "zh/index.md", "[a](../check.md#limits)"),
        ("![p](images/lab.png)", "docs/lab.md", "lab.md", "![p](images/lab.png)"),
        ('<img src="docs/images/a.png">', "README.zh-CN.md", "zh/index.md", '<img src="../images/a.png">'),
        ("[a](../CHANGELOG.md)", "docs/lab.md", "lab.md", "[a](changelog.md)"),
        ("[a](../src/goodinit/cli.py)", "docs/lab.md", "lab.md",
         "[a](https://github.com/goodinit/goodinit/blob/main/src/goodinit/cli.py)"),
        ("[a](examples/course)", "README.md", "index.md", "[a](https://github.com/goodinit/goodinit/tree/main/examples/course)"),
        ("[a](https://x.org/y) [b](#z)", "README.md", "index.md", "[a](https://x.org/y) [b](#z)"),
        ("```\nx[0](docs/lab.md)\n```", "README.md", "index.md", "```\nx[0](docs/lab.md)\n```"),
    ],
)  # fmt: skip
def test_links_hold_where_a_page_is_shown(text, path, uri, expected):
    assert relinked(text, path, uri) == expected


@pytest.mark.parametrize("path", [*PAGES, *(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md"))])
def test_every_file_that_a_page_links_to_is_there(path):
    moved = relinked((ROOT / path).read_text(encoding="utf-8"), path, "index.md")
    for target in re.findall(r"goodinit/goodinit/(?:blob|tree)/main/([^)\s\"#]+)", moved):
        assert (ROOT / target).exists(), target


def test_every_entry_of_the_catalogue_has_a_page_and_a_row(pages):
    kinds = {
        "initializers": initializers.names(),
        "methods": [each.name for each in methods.catalogue()],
        "recipes": recipes.names(),
        "activations": activations.names(),
    }
    for kind, names in kinds.items():
        for name in names:
            assert f"catalogue/{kind}/{name}.md" in pages
            assert f"({kind}/{name}.md)" in pages["catalogue/index.md"]
    assert len([name for name in pages if name.endswith(".md")]) == sum(map(len, kinds.values())) + 1


def test_an_entry_shows_what_an_initializer_is_and_does(pages):
    page = pages["catalogue/initializers/he_normal.md"]
    deviation, expected = map(float, re.findall(r"^std ([\d.]+), expected ([\d.]+)$", page, re.MULTILINE)[0])
    assert expected == pytest.approx((2 / 48) ** 0.5, abs=1e-4)
    assert deviation == pytest.approx(expected, rel=4 / (2 * 32 * 48) ** 0.5)
    assert "lab/index.html#" in page
    assert "In the lab" in pages["catalogue/initializers/looks_linear.md"]
    gain = (1 / 3 + 1 / (2 * math.pi * math.sqrt(3))) ** -0.5  # E[gelu(z)^2] in closed form
    assert f"{gain:.6f} = 1 / sqrt(E[phi(z)" in pages["catalogue/activations/gelu.md"]


def test_a_transcript_is_what_the_prompt_shows():
    assert (
        transcript(["a = 2", "a + 1", "print('x')", "None"], {})
        == ">>> a = 2\n>>> a + 1\n3\n>>> print('x')\nx\n>>> None"
    )


def test_the_reference_has_all_that_goodinit_names():
    made = reference_pages()
    for name in goodinit.__all__:
        found = getattr(goodinit, name)
        if inspect.ismodule(found):
            assert f"api/goodinit.{name}.md" in made
        elif name != "__version__":
            assert f"::: goodinit.{name}\n" in made["api/goodinit.md"]
    for module in modules():
        assert public_names(module)
        for name in public_names(module):
            assert inspect.getdoc(getattr(sys.modules[module], name)), f"{module}.{name}"


def test_every_page_is_in_the_menu_once():
    uris = ["index.md", "zh/index.md", "how-to.md", "new.md", "catalogue/index.md", "catalogue/recipes/gpt2.md"]
    uris += ["api/goodinit.md", "changelog.md"]
    menu = str(navigation({uri: uri.upper() for uri in uris}))
    for uri in uris:
        assert menu.count(f"'{uri}'") == 1, uri


def test_the_gallery_has_every_picture_and_the_citations_every_source():
    shown = gallery()
    for file in (ROOT / "docs" / "images").iterdir():
        assert f"(images/{file.name})" in shown, f"{file.name} is on no page"
    assert all(f"`{name}`" in citations() for name in [*initializers.names(), *recipes.names()])


def test_the_check_finds_what_leads_nowhere_and_what_another_host_serves(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top"></h1><a href="a/b.html#c">good</a><a href="#top">good</a><img src="p.svg">'
    )
    (tmp_path / "p.svg").write_text("<svg/>")
    (tmp_path / "a" / "b.html").write_text(
        '<h2 id="c"></h2><a href="../index.html">good</a><a href="https://x.org">good</a>'
    )
    assert problems(tmp_path) == []
    (tmp_path / "a" / "b.html").write_text(
        '<a href="gone.html"></a><a href="../index.html#gone"></a><a href="/a/"></a><script src="https://x.org/s.js"></script>'
        '<link rel="stylesheet" href="//x.org/s.css"><a href="http://x.org"></a>'
    )
    found = problems(tmp_path)
    for wrong in (
        "gone.html is no file",
        "#gone is no place",
        "s.js from another",
        "s.css from another",
        "no https",
        "#c is no place",
    ):
        assert [line for line in found if wrong in line], wrong
