"""The command line, twin of the page: one file for each group of commands."""

from __future__ import annotations

from compress_core.cli import applying, listing, measuring
from compress_core.cli.app import app

__all__ = ["applying", "listing", "main", "measuring"]


def main() -> None:
    """The program `slimscope`."""
    app(prog_name="slimscope")
