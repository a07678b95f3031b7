"""What is wrong with a built site: links and anchors that lead nowhere, and anything that another host would serve."""

from __future__ import annotations

import posixpath
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

__all__ = ["problems"]

_LOADED: Final = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
_MERELY_NAMED: Final = ("canonical", "next", "prev", "alternate", "edit")


class _Page(HTMLParser):
    """A page's anchors, what it links to and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        target = found.get(_LOADED.get(tag, ""), "")
        if target and not (tag == "link" and found.get("rel", "") in _MERELY_NAMED):
            self.loaded.append(target)


def problems(site: Path) -> list[str]:
    """A line for each link that does not hold, of all pages but the lab's, which makes its own."""
    pages = {
        file.relative_to(site).as_posix(): _Page(file.read_text(encoding="utf-8"))
        for file in sorted(site.rglob("*.html"))
        if file.relative_to(site).parts[0] != "lab"
    }
    found = []
    for name, page in pages.items():
        for target in page.loaded:
            if urlsplit(target).netloc:
                found.append(f"{name} loads {target} from another host")
        if name == "404.html":
            continue  # its links are those of the host's root
        for target in [*page.links, *page.loaded]:
            found += [f"{name}: {target} {why}" for why in [_wrong(site, pages, name, target)] if why]
    return found


def _wrong(site: Path, pages: dict[str, _Page], name: str, target: str) -> str | None:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or target.startswith("data:"):
        return None if parts.scheme in ("https", "mailto", "data") else "is no https link"
    path = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path))) if parts.path else name
    if (site / path).is_dir():
        path = posixpath.join(path, "index.html")
    if not (site / path).is_file():
        return "is no file"
    if parts.fragment and path in pages and unquote(parts.fragment) not in pages[path].anchors:
        return "is no place of that page"
    return None
