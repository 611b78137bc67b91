"""The order in which the weights of a layer go, and how far every share goes in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress_core.apply.model import Model
from compress_core.levels.table import Table
from compress_core.numerics.arrays import Floats
from compress_core.numerics.value_bins import value_bins
from compress_core.recipe.values import Step
from compress_core.selection.kept_counts import removed_by_size, removed_together
from compress_core.selection.patterns import BoxGrid, LayerShape, NOfM
from compress_core.selection.ranking import Ranking, RoughRanking, ranking_of
from compress_core.selection.scores import Scores
from compress_core.selection.select import BoxMask, Selection, ThresholdMask, exact_count, removed_boxes
from compress_core.techniques.contract.encoded import EncodedWeight

_MOST_IN_32_BITS = 2**31 - 2
_BLOCK = 2**20  # weights at a time
_SUMS_APART = 2**8  # values between two sums that are kept; a block holds so many several times


@dataclass(frozen=True)
class _Scored:
    """A weight with the scores of what is removed of it together."""

    encoded: EncodedWeight
    scores: Scores
    cut: BoxGrid

    @property
    def weights_gone(self) -> Floats | None:
        """Weights that are gone with so many boxes, in the order of their scores [boxes + 1].

        None where a box is a weight: as many as boxes then.
        """
        if self.cut.is_single:
            return None
        return _cumulated(_gone_at(self.scores.ranked(), by_row=False), self.cut.sizes.numpy())


def _scored(model: Model, layer: str, choice: Selection) -> list[_Scored]:
    box = choice.removed_together
    assert not isinstance(box, NOfM), "a pattern n:m fixes the sparsity"
    found = []
    for part, encoded in model.compressed[layer].parts:
        mask = encoded.mask
        assert isinstance(mask, ThresholdMask | BoxMask)
        scores = mask.scores if isinstance(mask, ThresholdMask) else mask.boxes.scores
        cut = BoxGrid.of(box, LayerShape(part.name, part.kernel_shape, part.groups))
        found.append(_Scored(encoded, scores, cut))
    return found


class RemovalOrder:
    """The weights of a layer in the order in which they go, and how far each share goes in it."""

    def __init__(self, model: Model, layer: str, together: Sequence[str], step: Step) -> None:
        choice = step.knobs
        assert isinstance(choice, Selection)
        self._scope, self.layers = choice.scope, tuple(together)
        every = [(name, found) for name in together for found in _scored(model, name, choice)]
        self._mine = [index for index, (name, _) in enumerate(every) if name == layer]
        self._cuts = [found.cut for _, found in every]
        self._sizes = [found.scores.values.numel() for _, found in every]
        mine = [every[index][1] for index in self._mine]
        self._columns = [found.scores.values.shape[1] for found in mine]
        self.parts = [_PrunedPart(found, by_row=choice.scope == "row") for found in mine]
        self.bins = value_bins(np.concatenate([part.weight.numpy().reshape(-1) for part in self.parts]))
        self._elsewhere = {
            index: found.weights_gone for index, (name, found) in enumerate(every) if name != layer
        }
        self._ranking: Ranking | RoughRanking | None = None
        if choice.shares_budget:
            self._ranking = ranking_of([found.scores for _, found in every])

    def removed(self, share: float) -> list[int]:
        """How many boxes of each of all parts go; of each row, where that is the scope."""
        if self._scope == "row":
            return [exact_count(share, columns) for columns in self._columns]
        if self._ranking is None:
            pairs = zip(self._sizes, self._cuts, strict=True)
            return [removed_boxes(share, size, [cut]) for size, cut in pairs]
        if self._scope == "network":
            return removed_together(self._ranking, self._cuts, share)
        return removed_by_size(self._sizes, self._cuts, share)

    def of_mine(self, removed: list[int]) -> list[int]:
        return [removed[index] for index in self._mine]

    def elsewhere(self, removed: list[int]) -> float:
        """The share of the weights of the other layers that is gone; NaN where there are none."""
        if len(self.layers) == 1:
            return float("nan")
        gone = sum(_up_to(weights, removed[index]) for index, weights in self._elsewhere.items())
        there = sum(_up_to(weights, self._sizes[index]) for index, weights in self._elsewhere.items())
        return gone / max(1.0, there)

    @property
    def nbytes(self) -> int:
        own = (
            self.bins.of.nbytes
            + sum(part.nbytes for part in self.parts)
            + sum(weights.nbytes for weights in self._elsewhere.values() if weights is not None)
        )
        return own + (0 if self._ranking is None else self._ranking.nbytes)


def _up_to(weights_gone: Floats | None, boxes: int) -> float:
    """How many weights are gone with so many boxes."""
    return float(boxes) if weights_gone is None else float(weights_gone[boxes])


def _gone_at(scores: Tensor, *, by_row: bool) -> NDArray[np.integer[Any]]:
    """From how many removed on a box is gone [rows, columns], from 1: of equals the last goes first."""
    flat = scores.numpy() if by_row else scores.reshape(1, -1).numpy()
    last = flat.shape[1] - 1
    number = np.int32 if last < _MOST_IN_32_BITS else np.int64
    gone = np.empty(flat.shape, number)
    for row, places in zip(flat, gone, strict=True):
        order = np.argsort(row[::-1], kind="stable")
        np.subtract(last, order, out=order)
        places[order] = np.arange(1, last + 2, dtype=number)
    return gone.reshape(scores.shape)


class _SquareSums:
    """Sums of squares of the first so many values [n], added one after the other; every 256th is kept."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        self._values, self._kept = values, np.zeros(1 + len(values) // _SUMS_APART)
        for start in range(0, len(values), _BLOCK):
            first = start // _SUMS_APART
            sums = self._after(first, min(start + _BLOCK, len(values)))
            kept = sums[_SUMS_APART::_SUMS_APART]
            self._kept[first + 1 : first + 1 + len(kept)] = kept

    @property
    def nbytes(self) -> int:
        return self._kept.nbytes

    def __getitem__(self, count: int) -> float:
        """The sum of the first `count`; -1 for all of them."""
        count = len(self._values) if count < 0 else count
        return float(self._after(count // _SUMS_APART, count)[-1])

    def _after(self, first: int, end: int) -> Floats:
        """The sums [values + 1] from the first of those that are kept on to the one of `end` values."""
        squares = np.square(self._values[first * _SUMS_APART : end], dtype=np.float64)
        sums: Floats = np.cumsum(np.append(self._kept[first], squares))
        return sums


class _BySize:
    """Weights of one row that go by their size, the smallest first: kept in order, without their places."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight.reshape(-1).numpy()
        self.ascending: NDArray[np.float32] = np.abs(self._weight)
        self.ascending.sort()
        self.lost = _SquareSums(self.ascending)

    @property
    def nbytes(self) -> int:
        return self.ascending.nbytes + self.lost.nbytes

    def gone_from(self, removed: NDArray[np.int64]) -> NDArray[np.int32]:
        """The first row, of those that remove so many [rows], without a weight [weights]; `rows` for none."""
        last = np.append(self.ascending[removed - 1], np.float32(np.inf))
        last[:-1][removed == 0] = -np.inf
        found = np.empty(len(self._weight), dtype=np.int32)
        for start in range(0, len(found), _BLOCK):
            block = slice(start, start + _BLOCK)
            found[block] = np.searchsorted(last[:-1], np.abs(self._weight[block]), side="left")
        torn = np.append(np.searchsorted(self.ascending, last[:-1], side="right") > removed, [False])
        if torn.any():
            self._tell_equals_apart(found, last, torn, removed)
        return found

    def _tell_equals_apart(
        self,
        found: NDArray[np.int32],
        last: NDArray[Any],
        torn: NDArray[np.bool_],
        removed: NDArray[np.int64],
    ) -> None:
        """Of weights as large as the last one that goes, those at the end go first."""
        at = np.flatnonzero(torn[found])
        sizes = np.abs(self._weight[at])
        is_equal = sizes == last[found[at]]
        at, sizes = at[is_equal], sizes[is_equal]
        smaller = np.searchsorted(self.ascending, sizes, side="left")
        order = np.lexsort((-at, sizes))
        firsts = np.searchsorted(sizes[order], sizes[order], side="left")
        gone_at = np.empty(len(at), dtype=np.int64)
        gone_at[order] = smaller[order] + np.arange(1, len(at) + 1) - firsts
        found[at] = np.searchsorted(removed, gone_at, side="left")


def _cumulated(gone_at: NDArray[np.integer[Any]], values: NDArray[Any]) -> Floats:
    """Sum of the values that are gone with so many [most + 1]."""
    sums: Floats = np.cumsum(
        np.bincount(gone_at.reshape(-1), values.reshape(-1), int(gone_at.max(initial=0)) + 1)
    )
    return sums


def _weights_in(cut: BoxGrid) -> Tensor:
    """How many weights each box holds, of any shape; a box may be a single one."""
    return torch.ones(cut.shape.kernel).flatten(1) if cut.is_single else cut.sizes


class _PrunedPart:
    """A weight pruned by a criterion, with what any other number of its boxes would leave."""

    def __init__(self, found: _Scored, *, by_row: bool) -> None:
        encoded, scores, cut = found.encoded, found.scores, found.cut
        self._encoded = encoded
        self._by_size, self._gone = None, None
        if scores.absolute and cut.is_single and not by_row:
            self._by_size = _BySize(scores.values)
            self._lost: Floats | _SquareSums = self._by_size.lost
            return
        gone, squared = _gone_at(scores.ranked(), by_row=by_row), encoded.weight.double().square()
        self._lost = _cumulated(gone, (squared if cut.is_single else cut.summed(squared)).numpy())
        if by_row or not cut.is_single:
            self._gone = _cumulated(gone, _weights_in(cut).numpy())
        spread = gone if cut.is_single else cut.spread(torch.from_numpy(gone)).numpy()
        self._gone_at: NDArray[np.integer[Any]] = spread.reshape(-1)

    @property
    def weight(self) -> Tensor:
        return self._encoded.weight

    @property
    def power(self) -> float:
        return float(self._lost[-1])

    @property
    def nbytes(self) -> int:
        if self._by_size is not None:
            return self._by_size.nbytes
        return self._gone_at.nbytes + self._lost.nbytes + (0 if self._gone is None else self._gone.nbytes)

    def gone_from(self, removed: NDArray[np.int64]) -> NDArray[np.integer[Any]]:
        """The first row, of those that remove so many boxes [rows], without a weight [weights]."""
        if self._by_size is not None:
            return self._by_size.gone_from(removed)
        return np.searchsorted(removed, self._gone_at, side="left")

    def kept(self, removed: int) -> int:
        return self.weight.numel() - int(_up_to(self._gone, removed))

    def lost(self, removed: int) -> float:
        return float(self._lost[removed])

    def threshold(self, removed: int) -> float:
        """The largest |weight| removed, 0 for none; NaN where the score is another one."""
        if self._by_size is None:
            return float("nan")
        return float(self._by_size.ascending[removed - 1]) if removed else 0.0

    def bits(self, removed: int) -> int:
        """Bits of the stored weight; the mask is not needed to count them."""
        mask = self._encoded.mask
        assert isinstance(mask, ThresholdMask | BoxMask)
        return replace(self._encoded, mask=replace(mask, count=self.kept(removed))).bits.total

    def has_levels_of_its_own(self, removed: int) -> bool:
        """Whether a codebook may have fewer entries, or one for zero, than that of the other shares."""
        levels = self._encoded.quantized.levels if self._encoded.quantized else None
        if not isinstance(levels, Table):
            return False
        return levels.has_zero or self.kept(removed) <= levels.table.shape[0] * 2**levels.code_bits
