"""MkDocs' hooks: pages that are generated, links that hold in the site, the lab inside it, and everything checked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))

from checking import problems
from entries import catalogue_pages
from links import PAGES, relinked
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from navigation import navigation
from reference import reference_pages
from texts import citations, gallery

from goodinit.lab import export_page

_ROOT: Final = Path(__file__).parents[2]
_STYLE: Final = Path(__file__).with_name("style.css")
_HOME: Final = "**English** · [简体中文](README.zh-CN.md)"


def on_files(files: Files, config: Any) -> Files:
    """Adds what is generated to what lies in docs/."""
    made: dict[str, str | bytes] = {**catalogue_pages(), **reference_pages()}
    made |= {"gallery.md": gallery(), "citations.md": citations(), "style.css": _STYLE.read_text(encoding="utf-8")}
    for path, uri in PAGES.items():
        made[uri] = relinked((_ROOT / path).read_text(encoding="utf-8"), path, uri)
    for uri, content in made.items():
        files.append(File.generated(config, uri, content=content))
    pages = {file.src_uri: _title(file.content_string) for file in files.documentation_pages()}
    config.nav = navigation(pages)
    return files


def _title(text: str) -> str:
    return next((line[2:].replace("`", "") for line in text.splitlines() if line.startswith("# ")), "")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of a page of docs/ to other files of the repository."""
    path = page.file.abs_src_path
    return relinked(markdown, f"docs/{page.file.src_uri}", page.file.src_uri) if path else markdown


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """The language of a page that is not in English."""
    if page.file.src_uri.startswith("zh/"):
        return output.replace('<html lang="en"', '<html lang="zh-CN"', 1)
    return output


def on_post_build(config: Any) -> None:
    """The lab, and then the links of every page; what does not hold ends the build."""
    site = Path(config.site_dir)
    export_page(site / "lab")
    found = problems(site)
    if found:
        raise PluginError("the site has links that do not hold:\n" + "\n".join(found))
