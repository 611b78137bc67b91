"""The one store of this process, where a notebook names none."""

from __future__ import annotations

import warnings
from functools import lru_cache

from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import open_workspace


@lru_cache(maxsize=1)
def shared_store() -> Store:
    """Results by content, in the workspace that the page and the shell use too: the second time is quick.

    A workspace that cannot be used is a warning, and work goes on.
    """
    workspace = open_workspace()
    if workspace.warning is not None:
        warnings.warn(str(workspace.warning), stacklevel=3)
    return Store(workspace=workspace)
