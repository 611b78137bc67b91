"""What the weights that are not zero are: a sign and a size each, when it is known which those are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compress_core.deliver.packing.coder import Coder, Damaged, Ints
from compress_core.deliver.packing.integers import NODES, code_sizes
from compress_core.deliver.packing.logistic import mixer_of_few

_GROUPS = 512
_BALANCE = 4  # by how many signs a row may lean to one side
_LARGEST = 2**16
_SIZES = np.array([1, 2, 3, 5, 8, 14, 28])  # ends of eight cells


def code_signed(
    coder: Coder, flags: NDArray[np.generic], stride: int, truth: NDArray[np.int32] | None
) -> NDArray[np.int32]:
    """Write or read whole numbers [steps, lines] up to 2**16: 0 where flags [steps, lines] are, only there.

    Signs and sizes are predicted from those around and from those of the row; of many columns, several are
    written together, which know nothing of each other.
    """
    margin = stride + 1
    found = np.zeros((margin + flags.shape[0], flags.shape[1]), dtype=np.int32)
    signs, sizes = mixer_of_few((1, 27, 45)), mixer_of_few((NODES, 8 * NODES, 8 * NODES))
    leaning, beyond, counted = (np.zeros(flags.shape[1], dtype=np.int64) for _ in range(3))
    steps = np.flatnonzero(flags.any(axis=1))
    for group in np.array_split(steps, min(len(steps), _GROUPS)) if len(steps) else ():
        of_group, lines = np.nonzero(flags[group])
        at = group[of_group] + margin
        known = None if truth is None else truth[at - margin, lines].astype(np.int64)
        near = [
            found[at - distance, lines].astype(np.int64) for distance in (1, stride, stride + 1, stride - 1)
        ]
        negative = signs.code(
            coder,
            _signs_around(near, leaning[lines]),
            None if known is None else (known < 0).astype(np.int64),
        )
        contexts = _sizes_around(near, beyond[lines], counted[lines])
        size = code_sizes(coder, sizes, contexts, None if known is None else np.abs(known))
        if size.max() > _LARGEST:
            raise Damaged
        found[at, lines] = np.where(negative > 0, -size, size)
        np.add.at(leaning, lines, 1 - 2 * negative)
        np.add.at(beyond, lines, size - 1)
        np.add.at(counted, lines, 1)
    return found[margin:]


def _signs_around(near: list[Ints], leaning: Ints) -> Ints:
    """[3, n]: nothing; three signs around; to which side those around and the row lean."""
    left, up, up_left, up_right = (np.sign(values) for values in near)
    vote = np.clip(2 * left + 2 * up + up_left + up_right, -4, 4) + 4
    side = np.clip(leaning, -_BALANCE, _BALANCE) + _BALANCE
    return np.stack([np.zeros_like(vote), 9 * left + 3 * up + up_left + 13, 5 * side + vote // 2])


def _sizes_around(near: list[Ints], beyond: Ints, counted: Ints) -> Ints:
    """[3, n]: nothing; the sizes around; the mean size in the row."""
    around = np.searchsorted(
        _SIZES, sum((np.abs(values) for values in near[1:]), np.abs(near[0])), side="right"
    )
    mean = np.searchsorted(_SIZES, 4 * beyond // np.maximum(1, counted), side="right")
    return np.stack([np.zeros_like(mean), around, mean])
