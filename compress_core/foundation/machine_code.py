"""Loops over whole numbers as machine code: where each step needs what the step before has learned.

numba takes half a second to import: only modules that are themselves imported when they are needed come here.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

P = ParamSpec("P")
R = TypeVar("R")
_UNREADABLE = (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, pickle.UnpicklingError)


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """A function of arrays and numbers, compiled for each set of types that it is called with.

    It is compiled once for a machine where the folder of the source, or the user's own cache, can be written
    to; else once for a process. Other threads run on meanwhile.
    """
    found: Any = numba.njit(nogil=True)(function)
    with suppress(RuntimeError):  # there is no folder that can be written to
        found._cache = _KeptCode(function)  # noqa: SLF001 - numba offers no other way to choose a cache
    made: Callable[P, R] = found
    return made


class _KeptCode(FunctionCache):  # type: ignore[misc]  # numba has no types
    """Machine code in files, which are a help and never a hindrance: what cannot be read is compiled anew.

    numba itself looks only at the file of a function, not at those whose constants and functions it uses, and
    writes over files of earlier sources, which a crash may leave in the place of later ones.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__(function)
        sources = _sources_beside(Path(function.__code__.co_filename))
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=f"{self._impl.filename_base}.{sources[:16]}",
            source_stamp=sources,
        )

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The code for these types; None where there is none, or what there is cannot be read."""
        try:
            return super().load_overload(signature, target)
        except _UNREADABLE:
            self._begin_anew()
            return None

    def save_overload(self, signature: Any, code: Any) -> None:
        """Keep code for the next process; on a full disk it is compiled there again."""
        try:
            super().save_overload(signature, code)
        except _UNREADABLE:
            self._begin_anew()

    def _begin_anew(self) -> None:
        try:
            self.flush()
        except OSError:  # neither now nor later can anything be kept
            self.disable()


@cache
def _digest_of(folder: Path) -> str:
    """What all sources of a folder say."""
    found = hashlib.sha256()
    for source in sorted(folder.glob("*.py")):
        found.update(source.name.encode() + source.read_bytes())
    return found.hexdigest()


def _sources_beside(source: Path) -> str:
    """A digest of what a function of this file may use: compiled functions keep to their own folder."""
    return _digest_of(source.parent)
