"""Which trade-offs no other beats, how good a set of them is, and which one would add most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compress_core.numerics.arrays import Bools, Floats


def unbeaten(costs: Floats) -> Bools:
    """costs [n, m], less is better -> which rows no other row beats [n]; rows with NaN never are.

    Of equal rows the first one counts.
    """
    found = np.zeros(len(costs), dtype=np.bool_)
    for index, row in enumerate(costs):
        if np.isnan(row).any():
            continue
        no_worse = (costs <= row).all(axis=1)
        better = no_worse & (costs < row).any(axis=1)
        found[index] = not better.any() and not no_worse[:index].any()
    return found


def hypervolume(costs: Floats, reference: Floats) -> float:
    """What a set of costs [n, m] dominates of the box up to a reference [m]; 0 for none that is better.

    Sliced along the last axis, so exact and quick for the few axes and points of a front.

    Zitzler and Thiele 1998, PPSN V, 292-301.
    """
    inside = costs[(costs < reference).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    if inside.shape[1] == 1:
        return float(reference[0] - inside.min())
    order = inside[np.argsort(inside[:, -1], kind="stable")]
    depths = np.append(order[:, -1], reference[-1])
    return float(
        sum(
            (depths[count] - depths[count - 1]) * hypervolume(order[:count, :-1], reference[:-1])
            for count in range(1, len(order) + 1)
            if depths[count] > depths[count - 1]
        )
    )


def most_promising(known: Floats, waiting: Floats, reference: Floats, count: int) -> Sequence[int]:
    """The rows of waiting [n, m] that add most volume to what is known, one after the other.

    Where nothing adds any, the earliest ones.
    """
    chosen: list[int] = []
    for _ in range(min(count, len(waiting))):
        base = hypervolume(known, reference)
        left = [index for index in range(len(waiting)) if index not in chosen]
        gains = [hypervolume(np.vstack([known, waiting[index]]), reference) - base for index in left]
        best = left[int(np.argmax(gains))]
        chosen.append(best)
        known = np.vstack([known, waiting[best]])
    return chosen
