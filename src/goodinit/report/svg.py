"""SVG files as parts of a page: no names of their own that clash, no address, the page's own colours."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["inline"]

_INK: Final = {
    "#000000": "currentColor",
    "#ffffff": "var(--card)",
    "#404040": "var(--muted)",
    "#666666": "var(--muted)",
}


def inline(svg: bytes, prefix: str, label: str, *, light: bool = False) -> str:
    """The `<svg>` element to stand within HTML, `label` being escaped text that says what it shows.

    Its ids begin with `prefix`. Black and white become the page's text and card colours, so that it reads on a dark
    page too, unless it is `light`: then it keeps its own.
    """
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(
        r"<!--.*?-->|<metadata>.*?</metadata>|<style type=\"text/css\">.*?</style>", "", text, flags=re.DOTALL
    )
    opening, body = text.split(">", 1)
    box = re.search(r'viewBox="([\d. -]+)"', opening)
    width, height = (float(number) for number in (box[1] if box else "0 0 720 400").split()[2:])
    body = body.replace("xlink:href=", "href=")
    used = dict.fromkeys(one or two for one, two in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', body))
    names = {name: f"{prefix}-{number}" for number, name in enumerate(used)}
    body = re.sub(r' id="([^"]+)"', lambda found: f' id="{names[found[1]]}"' if found[1] in names else "", body)
    body = re.sub(r'href="#([^"]+)"', lambda found: f'href="#{names[found[1]]}"', body)
    body = re.sub(r"url\(#([^)]+)\)", lambda found: f"url(#{names[found[1]]})", body)
    body = re.sub(r"<defs>\s*</defs>|\n\s*(?=\n)", "", body)
    if not light:
        body = re.sub("|".join(_INK), lambda found: _INK[found[0]], body)
    colour = "#000000" if light else "currentColor"
    size = f"max-width:{width * 96 / 72:.0f}px;min-width:{min(width, 620):.0f}px"  # at most as large as it was drawn
    box_of = f'viewBox="0 0 {width:g} {height:g}" style="{size}"'
    return f'<svg role="img" aria-label="{label}" fill="{colour}" {box_of}>{body.strip()}'
