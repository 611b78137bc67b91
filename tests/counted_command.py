"""`slimscope` with what its store computed and found: two counts of predictions, the last line of stderr."""

from __future__ import annotations

import sys
from typing import Any
from unittest import mock

from compress_core.cli import main as command
from compress_core.foundation import store


def main() -> None:
    """Do what the arguments say."""
    made: list[store.Store] = []

    class Watched(store.Store):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            made.append(self)

    with mock.patch.object(store, "Store", Watched):
        try:
            command()
        finally:
            (one,) = made
            sys.stderr.write(f"{one.computed['predictions']} {one.found['predictions']}\n")


if __name__ == "__main__":
    main()
