"""How many scores lie in each cell of all numbers of 32 bits, and which lie in one: loops that are compiled.

A score is told by its *key*, a whole number of 32 bits: keys are ordered as scores are. A cell holds the keys
that have their first 20 bits in common: a 2,048th of an octave.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.machine_code import compiled

CELLS = 2**20
Keys = NDArray[np.uint32]
_DIGITS = 12  # bits by which the keys of a cell differ
_WIDTH = np.uint32(2**_DIGITS)
_SIGN, _ALL = np.uint32(2**31), np.uint32(2**32 - 1)
_BLOCK = 128  # scores that are counted before one of them is looked at


@compiled
def count_cells(bits: Keys, absolute: bool, counts: NDArray[np.int64]) -> None:
    """Add up in counts [cells] how many scores [n] lie in each; they are given as their bits."""
    keys = np.empty(_BLOCK, dtype=np.uint32)
    for start in range(0, len(bits), _BLOCK):
        block = bits[start : start + _BLOCK]
        _order(block, absolute, keys)
        for at in range(len(block)):
            counts[keys[at] >> _DIGITS] += 1


@compiled
def within_cell(bits: Keys, absolute: bool, cell: int, found: Keys) -> tuple[int, int]:
    """How many scores [n] are above a cell, and how many lie in it: their keys are written to `found`."""
    above, count, low = 0, 0, np.uint32(cell << _DIGITS)
    keys = np.empty(_BLOCK, dtype=np.uint32)
    for start in range(0, len(bits), _BLOCK):
        block = bits[start : start + _BLOCK]
        _order(block, absolute, keys)
        below, within = _counted(keys[: len(block)], low)
        above += len(block) - int(below) - int(within)
        if within:
            for at in range(len(block)):
                if np.uint32(keys[at] - low) < _WIDTH:
                    found[count] = keys[at]
                    count += 1
    return above, count


@compiled
def _order(block: Keys, absolute: bool, keys: Keys) -> None:
    """The keys [n] of scores [n], or of their sizes; -0.0 is 0.0."""
    if absolute:
        for at in range(len(block)):
            keys[at] = block[at] | _SIGN
    else:
        for at in range(len(block)):
            is_below_zero = block[at] > _SIGN
            keys[at] = block[at] ^ _ALL if is_below_zero else block[at] | _SIGN


@compiled
def _counted(keys: Keys, low: np.uint32) -> tuple[np.uint32, np.uint32]:
    """How many keys [n] are below a cell, and how many are in it; in a form that becomes vector code."""
    below = within = np.uint32(0)
    for at in range(len(keys)):
        below = np.uint32(below + np.uint32(keys[at] < low))
        within = np.uint32(within + np.uint32(np.uint32(keys[at] - low) < _WIDTH))
    return below, within


def keyed_scores(keys: Keys) -> NDArray[np.float32]:
    """The scores [n] that have these keys [n]."""
    bits: Keys = np.where(keys >= _SIGN, keys ^ _SIGN, keys ^ _ALL)
    return bits.view(np.float32)
