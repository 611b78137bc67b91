"""Which rows and columns of a matrix hold anything at all: a flag each."""

from __future__ import annotations

import numpy as np

from compress_core.deliver.packing.coder import Coder, Ints
from compress_core.deliver.packing.logistic import mixer_of_few

_BEFORE = 16  # flags that are looked back at
_MOST_STEPS = 512
KNOWN = 6  # what may be known of a line beforehand: 0 for nothing


def code_living(coder: Coder, stride: int, known: Ints, truth: Ints | None) -> Ints:
    """Write or read flags [n]; known [n] below 6: what the layer before says of each.

    Each is predicted from those before it and around the one a stride earlier; of many, several at once.
    """
    count = len(known)
    mixer = mixer_of_few((4, 16, _BEFORE, KNOWN))
    margin = max(stride + 1, _BEFORE)
    flags = np.zeros(margin + count, dtype=np.int64)
    length = -(-count // _MOST_STEPS)
    for start in range(0, count, length or 1):
        here = slice(start, min(count, start + length))
        at = np.arange(margin + here.start, margin + here.stop)
        first = margin + start  # what is written together knows nothing of each other
        left, left_2 = flags[first - 1], flags[first - 2]
        up, up_left, up_right = (
            _before(flags, at - distance, first) for distance in (stride, stride + 1, stride - 1)
        )
        lately = int(flags[first - _BEFORE + 1 : first].sum())
        around = left + 2 * up + 4 * up_left + 8 * up_right
        contexts = np.empty((4, len(at)), dtype=np.int64)
        contexts[0], contexts[1], contexts[2], contexts[3] = left + 2 * left_2, around, lately, known[here]
        flags[margin + here.start : margin + here.stop] = mixer.code(
            coder, contexts, None if truth is None else truth[here]
        )
    return flags[margin:]


def _before(flags: Ints, at: Ints, first: int) -> Ints:
    """The flags [n] at these places, 0 from the first on that is not written yet."""
    return np.where(at < first, flags[np.minimum(at, first)], 0)
