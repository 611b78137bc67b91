"""Which models no other one beats in everything that was asked for: the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compress_core.measure.behavior.metric import Direction
from compress_core.numerics.arrays import Bools, Floats


def pareto_front(values: Floats, directions: Sequence[Direction]) -> Bools:
    """Whether each row is on the front: no other row is at least as good everywhere and better somewhere.

    values [n, m], a direction ("higher" or "lower" is better) for each column -> [n]. Rows with a NaN are
    never on the front; equal rows stand there together.

    Kung, Luccio and Preparata 1975, Journal of the ACM 22, 469-476 (maxima of a set of vectors).
    """
    assert values.shape[1] == len(directions), "a direction for each column"
    assert set(directions) <= {"higher", "lower"}, "a front needs to know which way is better"
    costs = values * np.where([direction == "higher" for direction in directions], -1.0, 1.0)
    front: Bools = np.zeros(len(costs), dtype=np.bool_)
    known = np.flatnonzero(~np.isnan(costs).any(axis=1))
    best = np.empty((0, costs.shape[1]))
    # In lexicographic order, whoever beats a row stands before it, and is on the front or beaten by it.
    for row in known[np.lexsort(costs[known].T[::-1])]:
        cost = costs[row]
        if not ((best <= cost).all(axis=1) & (best < cost).any(axis=1)).any():
            front[row] = True
            best = np.vstack([best, cost])
    return front
