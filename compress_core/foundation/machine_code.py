"""Loops over whole numbers as machine code: where each step needs what the step before has learned.

numba takes half a second to import: only modules that are themselves imported when they are needed come here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """A function of arrays and numbers, compiled for each set of types that it is called with.

    It is compiled once for a machine where the folder of the source, or the user's own cache, can be written
    to; else once for a process. A change of the source compiles it anew, a change of a function that it
    calls does not: what calls each other stands in one file. Other threads run on meanwhile.
    """
    try:
        found: Callable[P, R] = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder for it can be written to
        found = numba.njit(nogil=True)(function)
    return found
