"""Scores in order: a share of them is then a look-up, for one layer and for many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compress_core.foundation.cached import cached_property
from compress_core.selection.scores import Scores

_STRIDE = 256  # of the sample that narrows a search over many layers


@dataclass(frozen=True)
class RankPosition:
    """Where a selection ends: what is above the threshold stays, and so many that equal it.

    above and equal count the scores of each layer.
    """

    threshold: float
    ties_kept: int
    above: tuple[int, ...]
    equal: tuple[int, ...]


@dataclass(frozen=True)
class Ranking:
    """Scores of one selection, ascending within each layer: a share then becomes a look-up.

    ascending holds layer after layer; ends is where each of them ends.
    """

    ascending: np.ndarray
    ends: tuple[int, ...]

    @cached_property
    def layers(self) -> tuple[np.ndarray, ...]:
        """Each layer's scores [weights], ascending; views."""
        return tuple(self.ascending[a:b] for a, b in zip((0, *self.ends), self.ends, strict=False))

    def place(self, removed: int) -> RankPosition:
        """Where a selection ends that removes so many."""
        if removed == 0:
            sizes = tuple(len(layer) for layer in self.layers)
            return RankPosition(float("-inf"), 0, sizes, (0,) * len(sizes))
        threshold = self.ascending[removed - 1] if len(self.ends) == 1 else self._lowest(removed)
        up_to = [int(np.searchsorted(layer, threshold, side="right")) for layer in self.layers]
        below = [int(np.searchsorted(layer, threshold, side="left")) for layer in self.layers]
        above = tuple(len(layer) - i for layer, i in zip(self.layers, up_to, strict=True))
        equal = tuple(i - j for i, j in zip(up_to, below, strict=True))
        return RankPosition(float(threshold), sum(up_to) - removed, above, equal)

    def _lowest(self, removed: int) -> np.floating[Any]:
        """The last of the `removed` lowest scores of all layers."""
        low, high = self._bounds(removed - 1)
        starts = [int(np.searchsorted(layer, low, side="left")) for layer in self.layers]
        ends = [int(np.searchsorted(layer, high, side="right")) for layer in self.layers]
        between = [layer[a:b] for layer, a, b in zip(self.layers, starts, ends, strict=True)]
        at = removed - 1 - sum(starts)
        lowest: np.floating[Any] = low if low == high else np.partition(np.concatenate(between), at)[at]
        return lowest

    def _bounds(self, rank: int) -> tuple[np.floating[Any], np.floating[Any]]:
        """Two scores between which the one of that rank lies, counted from 0.

        At most _STRIDE * i scores are below entry i of the sample, and at least
        _STRIDE * (i + 1) - (_STRIDE - 1) * layers are not above it.
        """
        sample = self._sample
        above = -(-(rank + 1 + (_STRIDE - 1) * len(self.ends)) // _STRIDE) - 1
        return sample[rank // _STRIDE], sample[above] if above < len(sample) else sample.dtype.type(np.inf)

    @cached_property
    def _sample(self) -> np.ndarray:
        """Every so many scores of each layer, ascending over all of them."""
        return np.sort(np.concatenate([layer[::_STRIDE] for layer in self.layers]))


def rank_scores(scores: Sequence[Scores]) -> Ranking:
    """Sort the scores of each layer; numpy sorts with vector instructions, torch does not."""
    flat = [s.ranked().reshape(-1).numpy() for s in scores]
    joined = np.concatenate(flat)
    ranking = Ranking(joined, tuple(np.cumsum([len(part) for part in flat]).tolist()))
    for layer in ranking.layers:
        layer.sort()
    return ranking
