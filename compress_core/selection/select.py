"""Which weights stay: one mechanism for every criterion.

Selection = scope (each row, each layer, a budget over layers) x pattern (single weights, boxes, n:m), an
exact count, ties to the earlier layer and index. A criterion never sees a share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from compress_core.foundation.cached import cached_property
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import SliderStep, Strict, Unit
from compress_core.selection.budgets import erdos_renyi
from compress_core.selection.patterns import (
    COLUMN,
    PATTERN,
    ROW,
    Box,
    BoxGrid,
    LayerShape,
    NOfM,
    Pattern,
    checked_pattern,
    largest_n_of_m,
    parse_pattern,
)
from compress_core.selection.ranking import Ranking, RoughRanking, ranking_of
from compress_core.selection.scores import Scores

Scope = Literal["row", "layer", "network", "erk"]
USUAL_SHARE = 0.5  # goes where a step does not say how much


class Selection(Strict):
    """The knobs of selection, declared once; every criterion gets them."""

    sparsity: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of the weights, or of what is removed together, that is set to zero.",
        ),
        Unit("share"),
        SliderStep(0.001),
    ] = USUAL_SHARE
    scope: Annotated[
        Scope,
        Field(
            description="Among which weights the share is counted: each row, each layer, the network, "
            "or the network with small layers thinned less (erk)."
        ),
    ] = "layer"
    pattern: Annotated[
        str,
        Field(
            pattern=PATTERN,
            description="What is removed together: single weights, blocks of rows x inputs, rows, columns or "
            "kernels; or n:m, which keeps n of every m neighboring inputs.",
            examples=["unstructured", "1:4", "2:4", "4:8", "1x8", "4x4", "row", "column", "kernel"],
        ),
    ] = "unstructured"

    @field_validator("pattern")
    @classmethod
    def _makes_sense(cls, pattern: str) -> str:
        return checked_pattern(pattern)

    @property
    def removed_together(self) -> Pattern:
        """The pattern as a value."""
        return parse_pattern(self.pattern)

    @model_validator(mode="before")
    @classmethod
    def _sparsity_of_pattern(cls, values: Any) -> Any:
        """A pattern n:m fixes the sparsity."""
        if not isinstance(values, Mapping) or "sparsity" in values:
            return values
        with suppress(Refused):  # a word that is no pattern is refused with the name of its knob
            pattern = parse_pattern(str(values.get("pattern")))
            return {**values, "sparsity": pattern.sparsity} if isinstance(pattern, NOfM) else values
        return values

    @model_validator(mode="after")
    def _one_sparsity(self) -> Selection:
        pattern = self.removed_together
        if isinstance(pattern, NOfM) and abs(self.sparsity - pattern.sparsity) > 1e-3:
            raise Refused(
                "pattern {pattern} fixes the sparsity at {fixed:.3g}; "
                "leave out sparsity {sparsity:.3g} or use pattern unstructured",
                pattern=self.pattern,
                fixed=pattern.sparsity,
                sparsity=self.sparsity,
            )
        return self

    @model_validator(mode="after")
    def _rows_hold_boxes(self) -> Selection:
        if self.scope == "row" and self.removed_together in (ROW, COLUMN):
            raise Refused(
                "scope row chooses within each row, but pattern {pattern} has nothing to choose there; "
                "use scope layer",
                pattern=self.pattern,
            )
        return self

    @property
    def shares_budget(self) -> bool:
        """Whether the layers with this setting are pruned together."""
        return self.scope in {"network", "erk"} and isinstance(self.removed_together, Box)


_BLOCK = 2**16  # scores at a time, so that the passes stay in the cache


@dataclass(frozen=True)
class ThresholdMask:
    """Weights whose score is above a threshold stay, and so do the chosen ones that equal it.

    ties: flat indices of weights at the threshold that stay too.
    """

    scores: Scores
    threshold: float
    ties: Tensor
    count: int

    @cached_property
    def tensor(self) -> Tensor:
        """mask [out, in] bool."""
        mask = self.scores.ranked() > self.threshold
        mask.view(-1)[self.ties] = True
        return mask

    def prune_into(self, weight: Tensor, out: Tensor) -> Tensor:
        """Write the weight [out, in] with zeros where it is pruned."""
        if not (self.scores.absolute and self.scores.values is weight and weight.is_contiguous()):
            return _masked_into(weight, self.tensor, out)
        torch.hardshrink(weight, max(self.threshold, -1.0), out=out)
        if len(self.ties):
            out.view(-1)[self.ties] = weight.view(-1)[self.ties]
        return out


def _masked_into(weight: Tensor, mask: Tensor, out: Tensor) -> Tensor:
    """A product with the mask would leave -0.0 for negative weights."""
    return torch.where(mask, weight, weight.new_zeros(()), out=out)


@dataclass(frozen=True)
class ExplicitMask:
    """An explicit mask, mask [out, in] bool."""

    tensor: Tensor

    @cached_property
    def count(self) -> int:
        return int(self.tensor.count_nonzero())

    def prune_into(self, weight: Tensor, out: Tensor) -> Tensor:
        """Write the weight [out, in] with zeros where it is pruned."""
        return _masked_into(weight, self.tensor, out)


@dataclass(frozen=True)
class BoxMask:
    """The weights of the boxes that stay; count of them."""

    boxes: ThresholdMask
    cut: BoxGrid
    count: int

    @cached_property
    def tensor(self) -> Tensor:
        """mask [out, in] bool."""
        return self.cut.spread(self.boxes.tensor)

    def prune_into(self, weight: Tensor, out: Tensor) -> Tensor:
        """Write the weight [out, in] with zeros where it is pruned."""
        return _masked_into(weight, self.tensor, out)


Mask = ThresholdMask | BoxMask | ExplicitMask


@dataclass(frozen=True)
class Ranked:
    """The scores of what a pattern takes together in some layers, and their order."""

    cuts: tuple[BoxGrid, ...]
    boxes: tuple[Scores, ...]
    ranking: Ranking | RoughRanking

    @property
    def nbytes(self) -> int:
        own = (s.values.nbytes for s, cut in zip(self.boxes, self.cuts, strict=True) if not cut.is_single)
        return self.ranking.nbytes + sum(own)


def select(
    scores: Sequence[Scores], shapes: Sequence[LayerShape], choice: Selection, ranked: Ranked | None
) -> tuple[Mask, ...]:
    """Which weights of each layer of one scope stay; raises Refused where a pattern does not fit a layer.

    ranked: what `rank_boxes` gives for the same scores and pattern, where it is known.
    """
    pattern = choice.removed_together
    if isinstance(pattern, NOfM):
        matrices = (s.ranked() for s in scores)
        return tuple(
            ExplicitMask(largest_n_of_m(m, s, pattern)) for m, s in zip(matrices, shapes, strict=True)
        )
    if choice.scope == "row":
        rows = zip(*_boxes(scores, shapes, pattern), strict=True)
        return tuple(ExplicitMask(cut.spread(_within_rows(s.ranked(), choice.sparsity))) for cut, s in rows)
    ranked = ranked or rank_boxes(scores, shapes, pattern)
    mask = _by_size(ranked, choice.sparsity) if choice.scope == "erk" else _together(ranked, choice.sparsity)
    return tuple(_as_weights(above, cut) for above, cut in zip(mask, ranked.cuts, strict=True))


def rank_boxes(scores: Sequence[Scores], shapes: Sequence[LayerShape], box: Box) -> Ranked:
    """The scores of what is removed together, in order; raises Refused where it does not fit a layer."""
    cuts, boxes = _boxes(scores, shapes, box)
    return Ranked(cuts, boxes, ranking_of(boxes))


def _boxes(
    scores: Sequence[Scores], shapes: Sequence[LayerShape], box: Box
) -> tuple[tuple[BoxGrid, ...], tuple[Scores, ...]]:
    cuts = tuple(BoxGrid.of(box, shape) for shape in shapes)
    return cuts, tuple(_of_boxes(s, cut) for s, cut in zip(scores, cuts, strict=True))


def _of_boxes(scores: Scores, cut: BoxGrid) -> Scores:
    """A box matters as much as its weights do in the mean; one that must stay, more than any other."""
    if cut.is_single:
        return scores
    means = cut.summed(scores.ranked()).div_(cut.sizes)
    if cut.stays and means.numel():
        means.view(-1)[int(np.argmax(means.numpy()))] = torch.inf
    return Scores(means)


def _as_weights(boxes: ThresholdMask, cut: BoxGrid) -> Mask:
    return boxes if cut.is_single else BoxMask(boxes, cut, int(cut.sizes[boxes.tensor].sum()))


def exact_count(share: float, size: int) -> int:
    """round(share * size), halves to even as Python rounds."""
    return round(share * size)


def removed_boxes(sparsity: float, size: int, cuts: Sequence[BoxGrid]) -> int:
    """How many of all `size` boxes of some layers are removed."""
    return min(exact_count(sparsity, size), size - sum(cut.stays for cut in cuts))


def _together(ranked: Ranked, sparsity: float) -> list[ThresholdMask]:
    """All layers on one scale."""
    removed = removed_boxes(sparsity, ranked.ranking.count, ranked.cuts)
    return _across(ranked.boxes, ranked.ranking, removed)


def _by_size(ranked: Ranked, sparsity: float) -> list[ThresholdMask]:
    """Each layer on its own, with its part of the budget."""
    sizes, total = ranked.ranking.sizes, ranked.ranking.count
    budget = total - removed_boxes(sparsity, total, ranked.cuts)
    least = max((cut.stays for cut in ranked.cuts), default=0)
    counts = erdos_renyi([cut.shape for cut in ranked.cuts], sizes, budget, least)
    layers: Iterator[Ranking | RoughRanking] = ranked.ranking.alone()
    alone = zip(ranked.boxes, layers, sizes, counts, strict=True)
    return [_across([s], layer, size - count)[0] for s, layer, size, count in alone]


def _across(scores: Sequence[Scores], ranking: Ranking | RoughRanking, removed: int) -> list[ThresholdMask]:
    place = ranking.place(removed)
    left = place.ties_kept
    mask = []
    for layer, above, equal in zip(scores, place.above, place.equal, strict=True):
        stay = min(left, equal)
        left -= stay
        mask.append(
            ThresholdMask(layer, place.threshold, _first_equal(layer, place.threshold, stay), above + stay)
        )
    return mask


def _first_equal(scores: Scores, threshold: float, count: int) -> Tensor:
    """Flat indices of the first scores at the threshold; numpy finds a few among many much faster."""
    found: list[np.ndarray] = [np.empty(0, dtype=np.int64)]
    missing, values = count, scores.values.reshape(-1).numpy()
    for start in range(0, len(values), _BLOCK):
        if missing == 0:
            break
        block = values[start : start + _BLOCK]
        equal = np.flatnonzero((np.abs(block) if scores.absolute else block) == threshold)[:missing]
        if len(equal):
            found.append(start + equal)
            missing -= len(equal)
    return torch.from_numpy(np.concatenate(found))


def _within_rows(scores: Tensor, sparsity: float) -> Tensor:
    """Keep the same number of the highest scores in every row."""
    removed = exact_count(sparsity, scores.shape[1])
    if removed == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    threshold = torch.from_numpy(np.sort(scores.numpy(), axis=1)[:, removed - 1 : removed])
    mask = scores > threshold
    missing = scores.shape[1] - removed - mask.count_nonzero(dim=1)
    tied = torch.nonzero(missing).view(-1)
    equal = scores[tied] == threshold[tied]
    mask[tied] |= equal & (equal.cumsum(dim=1) <= missing[tied].unsqueeze(1))
    return mask
