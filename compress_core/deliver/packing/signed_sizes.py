"""What the weights that are not zero are: a sign and a size each, when it is known which those are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compress_core.deliver.packing.coder import Coder, Damaged, Ints
from compress_core.deliver.packing.logistic import mixer_of_few
from compress_core.deliver.packing.neighbors import Columns
from compress_core.deliver.packing.range_coding import NODES
from compress_core.foundation.machine_code import compiled

_GROUPS = 512
_BALANCE = 4  # by how many signs a row may lean to one side
_LARGEST = 2**16
_SIZES = np.array([1, 2, 3, 5, 8, 14, 28])  # ends of eight cells


def code_signed(
    coder: Coder, flags: Columns, stride: int, truth: NDArray[np.int32] | None
) -> NDArray[np.int32]:
    """Write or read whole numbers [steps, lines] up to 2**16: 0 where flags [steps, lines] are, only there.

    Signs and sizes are predicted from those around and from those of the row; of many columns, several are
    written together, which know nothing of each other.
    """
    margin = stride + 1
    found = np.zeros((margin + flags.shape[0], flags.shape[1]), dtype=np.int32)
    signs, sizes = mixer_of_few((1, 27, 45)), mixer_of_few((NODES, 8 * NODES, 8 * NODES))
    lines_so_far = np.zeros((3, flags.shape[1]), dtype=np.int64)
    steps = np.flatnonzero(flags.any(axis=1))
    for group in np.array_split(steps, min(len(steps), _GROUPS)) if len(steps) else ():
        of_group, lines = np.nonzero(flags[group])
        at, lines = group[of_group] + margin, np.ascontiguousarray(lines)
        known = None if truth is None else truth[at - margin, lines].astype(np.int64)
        around_signs, around_sizes = _contexts(found, at, lines, stride, lines_so_far, _SIZES)
        negative = signs.code(coder, around_signs, None if known is None else (known < 0).astype(np.int64))
        size = sizes.code_sizes(coder, around_sizes, None if known is None else np.abs(known))
        if size.max() > _LARGEST:
            raise Damaged
        _note(found, at, lines, negative, size, lines_so_far)
    return found[margin:]


@compiled
def _contexts(
    found: NDArray[np.int32], at: Ints, lines: Ints, stride: int, so_far: Ints, ends: Ints
) -> tuple[Ints, Ints]:
    """Contexts of the signs and of the sizes [3, n] at these places of `found`.

    Of signs: nothing; three signs around; to which side those around and the row lean. Of sizes: nothing;
    the sizes around; the mean size in the row. so_far [3, lines]: see `_note`.
    """
    signs, sizes = np.zeros((3, len(at)), dtype=np.int64), np.zeros((3, len(at)), dtype=np.int64)
    for index in range(len(at)):
        here, line = at[index], lines[index]
        left, up = np.int64(found[here - 1, line]), np.int64(found[here - stride, line])
        up_left = np.int64(found[here - stride - 1, line])
        up_right = np.int64(found[here - stride + 1, line])
        around = abs(left) + abs(up) + abs(up_left) + abs(up_right)
        left, up, up_left, up_right = np.sign(left), np.sign(up), np.sign(up_left), np.sign(up_right)
        vote = min(max(2 * left + 2 * up + up_left + up_right, -4), 4) + 4
        side = min(max(so_far[0, line], -_BALANCE), _BALANCE) + _BALANCE
        signs[1, index] = 9 * left + 3 * up + up_left + 13
        signs[2, index] = 5 * side + vote // 2
        sizes[1, index] = np.searchsorted(ends, around, side="right")
        sizes[2, index] = np.searchsorted(ends, 4 * so_far[1, line] // max(1, so_far[2, line]), side="right")
    return signs, sizes


@compiled
def _note(found: NDArray[np.int32], at: Ints, lines: Ints, negative: Ints, sizes: Ints, so_far: Ints) -> None:
    """Put signs and sizes [n] at these places; so_far [3, lines]: signs, sizes beyond 1, and their number."""
    for index in range(len(at)):
        here, line = at[index], lines[index]
        found[here, line] = -sizes[index] if negative[index] else sizes[index]
        so_far[0, line] += 1 - 2 * negative[index]
        so_far[1, line] += sizes[index] - 1
        so_far[2, line] += 1
