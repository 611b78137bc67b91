"""Scores in order: a share of them is then a look-up, for one layer and for many at once.

So many that their order would take more memory than is kept for it are only counted in cells: a share of
them costs a pass.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compress_core.foundation.cached import cached_property
from compress_core.selection.scores import Scores

_STRIDE = 256  # of the sample that narrows a search over many layers
_MOST_SORTED = 50_000_000


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

    @property
    def count(self) -> int:
        """How many scores there are."""
        return len(self.ascending)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many there are of each layer."""
        return tuple(map(len, self.layers))

    @property
    def nbytes(self) -> int:
        return self.ascending.nbytes

    def alone(self) -> Iterator[Ranking]:
        """Each layer on its own."""
        return (Ranking(layer, (len(layer),)) for layer in self.layers)

    @cached_property
    def layers(self) -> tuple[np.ndarray, ...]:
        """Each layer's scores [weights], ascending; views."""
        return tuple(self.ascending[a:b] for a, b in zip((0, *self.ends), self.ends, strict=False))

    def place(self, removed: int) -> RankPosition:
        """Where a selection ends that removes so many."""
        if removed == 0:
            return _before_all(self.sizes)
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


@dataclass(frozen=True)
class RoughRanking:
    """Scores of one selection of which it is only known how many lie in each cell: a share is then a pass.

    flat holds each layer's scores, or, where they are absolute, the values of which they are the sizes.
    """

    flat: tuple[NDArray[np.float32], ...]
    absolute: tuple[bool, ...]

    @property
    def count(self) -> int:
        """How many scores there are."""
        return sum(self.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many there are of each layer."""
        return tuple(map(len, self.flat))

    @property
    def nbytes(self) -> int:
        return self._up_to.nbytes

    def alone(self) -> Iterator[RoughRanking]:
        """Each layer on its own."""
        return (RoughRanking((flat,), (size,)) for flat, size in zip(self.flat, self.absolute, strict=True))

    @cached_property
    def _up_to(self) -> NDArray[np.int64]:
        """How many scores lie in each cell and below it [cells]."""
        from compress_core.selection.score_cells import CELLS, count_cells  # takes half a second to import

        counts = np.zeros(CELLS, dtype=np.int64)
        for flat, absolute in zip(self.flat, self.absolute, strict=True):
            count_cells(flat.view(np.uint32), absolute, counts)
        return counts.cumsum(out=counts)

    def place(self, removed: int) -> RankPosition:
        """Where a selection ends that removes so many."""
        from compress_core.selection.score_cells import keyed_scores, within_cell

        if removed == 0:
            return _before_all(self.sizes)
        cell = int(np.searchsorted(self._up_to, removed))
        below = int(self._up_to[cell - 1]) if cell else 0
        within = np.empty(int(self._up_to[cell]) - below, dtype=np.uint32)
        above, ends = [], [0]
        for flat, absolute in zip(self.flat, self.absolute, strict=True):
            more, count = within_cell(flat.view(np.uint32), absolute, cell, within[ends[-1] :])
            above.append(more)
            ends.append(ends[-1] + count)
        last = np.partition(within, removed - 1 - below)[removed - 1 - below]
        layers = [within[start:end] for start, end in itertools.pairwise(ends)]
        higher = [int(np.count_nonzero(layer > last)) for layer in layers]
        equal = tuple(int(np.count_nonzero(layer == last)) for layer in layers)
        above = [more + some for more, some in zip(above, higher, strict=True)]
        threshold = float(keyed_scores(np.array([last]))[0])
        return RankPosition(threshold, self.count - removed - sum(above), tuple(above), equal)


def _before_all(sizes: tuple[int, ...]) -> RankPosition:
    """Where a selection ends that removes nothing."""
    return RankPosition(float("-inf"), 0, sizes, (0,) * len(sizes))


def ranking_of(scores: Sequence[Scores], most: int = _MOST_SORTED) -> Ranking | RoughRanking:
    """The scores of each layer in order, or, of more than `most` of them, counted."""
    are_many = sum(one.values.numel() for one in scores) > most
    if not are_many or any(one.values.dtype != torch.float32 for one in scores):
        return rank_scores(scores)
    flat = tuple(one.values.detach().reshape(-1).numpy() for one in scores)
    return RoughRanking(flat, tuple(one.absolute for one in scores))


def rank_scores(scores: Sequence[Scores]) -> Ranking:
    """Sort the scores of each layer; numpy sorts with vector instructions, torch does not."""
    flat = [one.values.detach().reshape(-1).numpy() for one in scores]
    joined = np.empty(sum(map(len, flat)), dtype=np.result_type(*flat))
    ranking = Ranking(joined, tuple(np.cumsum([len(part) for part in flat]).tolist()))
    for one, part, layer in zip(scores, flat, ranking.layers, strict=True):
        if one.absolute:
            np.abs(part, out=layer)
        else:
            layer[:] = part
        layer.sort()
    return ranking
