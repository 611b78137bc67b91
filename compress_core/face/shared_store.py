"""The one store of this process, where a notebook names none."""

from __future__ import annotations

from functools import lru_cache

from compress_core.foundation.store import Store


@lru_cache(maxsize=1)
def shared_store() -> Store:
    """Results by content: what was computed once in this process is not computed again."""
    return Store()
