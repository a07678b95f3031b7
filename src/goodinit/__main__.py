"""`python -m goodinit`, and the command's way in: the version is told without the rest of the command line."""

from __future__ import annotations

import sys

from goodinit.cli_ends import guarded

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["--version"]:
        guarded(_tell_version)
        return
    guarded(_run)


def _run() -> None:
    from goodinit import cli  # Typer takes most of the time of a short command

    cli.main()


def _tell_version() -> None:
    from goodinit import __version__

    sys.stdout.write(f"goodinit {__version__}\n")


if __name__ == "__main__":
    main()
