"""Where a study of hours goes on after it was interrupted: a folder that the environment names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from compress_core.foundation.store import Store, digest
from compress_core.foundation.workspace.workspace import Workspace

FOLDER = "SLIMSCOPE_STUDIES"
_LINE = "line of a study"


def study_store() -> Store:
    """Keeps models, scans and lines in that folder; in memory alone where none is named."""
    folder = os.environ.get(FOLDER)
    return Store(workspace=Workspace.at(Path(folder)) if folder else None)


def kept_line(store: Store, key: tuple[object, ...], make: Callable[[], str]) -> str:
    """A line of a table as it was found before, by the same source; made where it was not."""
    return store.lasting(_LINE, digest(_LINE, *key), make)
