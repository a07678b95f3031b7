"""The lab: an interactive page, served on this machine only, that shows starts and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from goodinit.errors import GoodinitError

__all__ = ["PORT", "export_page", "serve"]

PORT = 8642


def serve(
    port: int = PORT,
    *,
    browser: bool = True,
    tell: Callable[[str], None] = lambda address: None,
    link_base: str | None = None,
) -> None:
    """Serve the lab on 127.0.0.1 until Ctrl-C, and open it in the browser.

    Arguments:
        port: 0 takes any free one.
        browser: whether to open the page.
        tell: told the address once the page can be opened.
        link_base: the http or https address that links to scenes are made with, such as that of an exported page.

    Raises GoodinitError where FastAPI or Uvicorn is not installed, the port cannot be used, or `link_base` is none.
    """
    try:
        from goodinit.lab.server import serve as run
    except ImportError as error:
        raise GoodinitError(
            f"the lab needs FastAPI and Uvicorn, which cannot be imported ({error}); pip install 'goodinit[lab]'"
        ) from None
    run(port, browser, tell, link_base)


def export_page(folder: str | Path) -> list[Path]:
    """Write the lab as files for any web host, with an engine of its own; the files written.

    `folder` is made where there is none; it must be empty, or hold an earlier export, which is replaced.

    Raises GoodinitError for a folder that holds something else, or cannot be written.
    """
    from goodinit.lab.page import export_page as export

    return export(Path(folder))
