"""Pages made from what the repository says already: pictures with their captions, and what to cite."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from goodinit import initializers, methods, recipes

__all__ = ["citations", "gallery"]

_ROOT: Final = Path(__file__).parents[2]
_PICTURE: Final = re.compile(
    r"!\[([^]]+)\]\((?:docs/)?images/([^)]+\.png)\)|src=\"docs/images/([^\"]+)\" alt=\"([^\"]+)\""
)


def gallery() -> str:
    """Every picture of docs/images, with the caption and the page that it has elsewhere."""
    found: dict[str, tuple[str, str]] = {}
    for file in [*sorted((_ROOT / "docs").glob("*.md")), _ROOT / "README.md", _ROOT / "README.zh-CN.md"]:
        for caption, name, other, alt in _PICTURE.findall(file.read_text(encoding="utf-8")):
            place = file.relative_to(_ROOT).as_posix()
            found.setdefault(name or other, (caption or alt, place))
    parts = ["# Gallery", "Every figure that these pages show. A picture leads to its page."]
    for name, (caption, place) in sorted(found.items()):
        page = {"README.md": "index.md", "README.zh-CN.md": "zh/index.md"}.get(place, place.removeprefix("docs/"))
        parts.append(f"## {caption}\n\n[![{caption}](images/{name})]({page})")
    parts.append("The catalogue has a picture of [every initializer and activation](catalogue/index.md).")
    return "\n\n".join([*parts, ""])


def citations() -> str:
    """How goodinit is cited, and the sources of all that it carries."""
    facts = dict(
        re.findall(r"^([a-z-]+): \"?(.+?)\"?$", (_ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    )
    bibtex = "\n".join(
        [
            "@software{goodinit,",
            f"  title = {{{facts['title']}}},",
            "  author = {{The goodinit developers}},",
            f"  version = {{{facts['version']}}},",
            f"  license = {{{facts['license']}}},",
            f"  url = {{{facts['repository-code']}}},",
            "}",
        ]
    )
    sources = [(each.name, "initializers", each.reference) for each in initializers.catalogue()]
    sources += [(each.name, "methods", each.reference) for each in methods.catalogue()]
    for name in recipes.names():
        found = recipes.get(name)
        sources.append((name, "recipes", f"{found.repository}, {found.version}, {found.file}"))
    rows = "\n".join(
        f"| [`{name}`](catalogue/{kind}/{name}.md) | {kind[:-1]} | {source} |" for name, kind, source in sources
    )
    return f"""# Citations

If you use goodinit in your work, please cite it, and the paper of the initialization that you use.

```bibtex
{bibtex}
```

## Sources of the catalogue

| name | is | source |
| --- | --- | --- |
{rows}
"""
