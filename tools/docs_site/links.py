"""Links of the repository's pages as the site has them: its own pages at their new place, other files at the source."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Final

__all__ = ["PAGES", "outside_code", "relinked", "uri_of"]

SOURCE: Final = "https://github.com/goodinit/goodinit"
PAGES: Final = {
    "README.md": "index.md",
    "README.zh-CN.md": "zh/index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""What of the repository, outside docs/, is a page of the site."""
_TARGET: Final = re.compile(r"(!?\[[^]]*\]\(|src=\"|href=\")([^)\s\"]+)")
_FENCE: Final = re.compile(r"(^```.*?^```[^\n]*$)", re.MULTILINE | re.DOTALL)


def uri_of(path: str) -> str | None:
    """Where a file of the repository is in the site's sources; None where it is not."""
    if path in PAGES:
        return PAGES[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """The text with `change` made to all that lies outside fenced code."""
    parts = _FENCE.split(text)
    return "".join(part if at % 2 else change(part) for at, part in enumerate(parts))


def relinked(text: str, path: str, uri: str) -> str:
    """A page's Markdown, read from `path` of the repository, with links that hold at `uri` of the site."""

    def moved(found: re.Match[str]) -> str:
        before, target = found[1], found[2]
        if re.match(r"[a-z]+:|#|//", target):
            return found[0]
        file, hash_, anchor = target.partition("#")
        there = posixpath.normpath(posixpath.join(posixpath.dirname(path), file))
        own = uri_of(there)
        if own is None:
            kind = "tree" if "." not in posixpath.basename(there) else "blob"
            return f"{before}{SOURCE}/{kind}/main/{there}{hash_}{anchor}"
        return f"{before}{posixpath.relpath(own, posixpath.dirname(uri) or '.')}{hash_}{anchor}"

    return outside_code(text, lambda part: _TARGET.sub(moved, part))
