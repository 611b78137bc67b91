"""Which rows and columns of a matrix hold anything at all: a flag each."""

from __future__ import annotations

import numpy as np

from compress_core.deliver.packing.coder import Coder, Ints
from compress_core.deliver.packing.logistic import mixer_of_few
from compress_core.foundation.machine_code import compiled

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
        contexts = _contexts(flags, margin + start, stride, known[here])
        flags[margin + here.start : margin + here.stop] = mixer.code(
            coder, contexts, None if truth is None else truth[here]
        )
    return flags[margin:]


@compiled
def _contexts(flags: Ints, first: int, stride: int, known: Ints) -> Ints:
    """[4, n] of what is written together from `first` on, which knows nothing of each other.

    The two flags before; those around the one a stride earlier; how many of the last ones; what is known.
    """
    found = np.empty((4, len(known)), dtype=np.int64)
    left = flags[first - 1]
    lately = flags[first - _BEFORE + 1 : first].sum()
    for index in range(len(known)):
        around = left
        for bit, distance in ((1, stride), (2, stride + 1), (3, stride - 1)):
            place = first + index - distance
            if place < first:
                around += flags[place] << bit
        found[0, index] = left + 2 * flags[first - 2]
        found[1, index] = around
        found[2, index] = lately
        found[3, index] = known[index]
    return found
