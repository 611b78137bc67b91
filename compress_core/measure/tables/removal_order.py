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
from compress_core.selection.ranking import Ranking, rank_scores
from compress_core.selection.scores import Scores
from compress_core.selection.select import BoxMask, Selection, ThresholdMask, exact_count, removed_boxes
from compress_core.techniques.contract.encoded import EncodedWeight


@dataclass(frozen=True)
class _Scored:
    """A weight with the scores of what is removed of it together."""

    encoded: EncodedWeight
    scores: Scores
    cut: BoxGrid

    @property
    def weights_gone(self) -> Floats:
        """Weights that are gone with so many boxes, in the order of their scores [boxes + 1]."""
        if self.cut.is_single:
            return np.arange(self.scores.values.numel() + 1, dtype=np.float64)
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
        self._gone_elsewhere = [
            found.weights_gone if name != layer else np.zeros(size + 1)
            for (name, found), size in zip(every, self._sizes, strict=True)
        ]
        self._ranking: Ranking | None = None
        if choice.shares_budget:
            self._ranking = rank_scores([found.scores for _, found in every])

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
        gone = sum(float(c[n]) for c, n in zip(self._gone_elsewhere, removed, strict=True))
        return gone / max(1.0, sum(float(c[-1]) for c in self._gone_elsewhere))

    @property
    def nbytes(self) -> int:
        own = (
            self.bins.of.nbytes
            + sum(part.nbytes for part in self.parts)
            + sum(c.nbytes for c in self._gone_elsewhere)
        )
        return own + (0 if self._ranking is None else self._ranking.ascending.nbytes)


def _gone_at(scores: Tensor, *, by_row: bool) -> NDArray[np.int64]:
    """From how many removed on a box is gone [rows, columns], from 1: of equals the last goes first."""
    flat = scores.numpy() if by_row else scores.reshape(1, -1).numpy()
    last = flat.shape[1] - 1
    order = last - np.argsort(flat[:, ::-1], axis=1, kind="stable")
    gone = np.empty(flat.shape, np.int64)
    np.put_along_axis(gone, order, np.arange(1, last + 2)[None], axis=1)
    return gone.reshape(scores.shape)


def _cumulated(gone_at: NDArray[np.int64], values: NDArray[Any]) -> Floats:
    """Sum of the values that are gone with so many [most + 1]."""
    sums: Floats = np.cumsum(
        np.bincount(gone_at.reshape(-1), values.reshape(-1), int(gone_at.max(initial=0)) + 1)
    )
    return sums


class _PrunedPart:
    """A weight pruned by a criterion, with what any other number of its boxes would leave."""

    def __init__(self, found: _Scored, *, by_row: bool) -> None:
        encoded, scores, cut = found.encoded, found.scores, found.cut
        self._encoded, self._absolute = encoded, scores.absolute and cut.is_single and not by_row
        ranked = scores.ranked()
        gone = _gone_at(ranked, by_row=by_row)
        self._ascending = np.sort(ranked.reshape(-1).numpy()) if self._absolute else np.empty(0)
        squared, ones = encoded.weight.double().square(), torch.ones(encoded.weight.shape)
        self._lost = _cumulated(gone, (squared if cut.is_single else cut.summed(squared)).numpy())
        self._gone = _cumulated(gone, (ones if cut.is_single else cut.summed(ones)).numpy())
        spread = gone if cut.is_single else cut.spread(torch.from_numpy(gone)).numpy()
        self.gone_at: NDArray[np.int64] = spread.reshape(-1)

    @property
    def weight(self) -> Tensor:
        return self._encoded.weight

    @property
    def power(self) -> float:
        return float(self._lost[-1])

    @property
    def nbytes(self) -> int:
        return sum(a.nbytes for a in (self.gone_at, self._lost, self._gone, self._ascending))

    def kept(self, removed: int) -> int:
        return self.weight.numel() - int(self._gone[removed])

    def lost(self, removed: int) -> float:
        return float(self._lost[removed])

    def threshold(self, removed: int) -> float:
        """The largest |weight| removed, 0 for none; NaN where the score is another one."""
        if not self._absolute:
            return float("nan")
        return float(self._ascending[removed - 1]) if removed else 0.0

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
