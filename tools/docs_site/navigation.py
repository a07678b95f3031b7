"""The site's menu: pages by what a person wants, those that nobody placed at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["navigation"]

_GROUPS: Final = {
    "Use": (
        "how-to",
        "compare",
        "studies",
        "clusters",
        "check",
        "pytorch",
        "methods",
        "audit",
        "transfer",
        "lab",
        "faq",
    ),
    "Catalogue": ("initializers", "catalogue/index", "gallery", "citations"),
    "Numbers": (
        "theory",
        "statistics",
        "benchmarks",
        "zoo",
        "zoo-methods",
        "audit-zoo",
        "suite-results",
        "recommend-results",
        "robustness",
    ),
}
_PROJECT: Final = ("architecture", "contributing", "changelog", "security")
_KINDS: Final = ("initializers", "methods", "recipes", "activations")


def navigation(pages: Mapping[str, str]) -> list[Any]:
    """MkDocs' `nav`, from the pages there are and their titles."""
    left = dict(pages)

    def take(uri: str, title: str | None = None) -> dict[str, str] | None:
        return {title or left.pop(uri): uri} if uri in left and (title is None or left.pop(uri)) else None

    def under(prefix: str) -> list[dict[str, str]]:
        return [{left.pop(uri): uri} for uri in sorted(left) if uri.startswith(prefix)]

    def some(names: tuple[str, ...]) -> list[Any]:
        return [found for name in names if (found := take(f"{name}.md"))]

    groups: dict[str, list[Any]] = {name: some(names) for name, names in _GROUPS.items()}
    groups["Catalogue"] += [{kind.capitalize(): under(f"catalogue/{kind}/")} for kind in _KINDS]
    ends = [{"Python": under("api/")}, {"Project": some(_PROJECT)}]
    home = [take("index.md", "Home"), {"The lab": "lab/index.html"}, take("zh/index.md", "简体中文")]
    groups["Use"] += under("")
    return [*home, *({name: inside} for name, inside in groups.items()), *ends]
