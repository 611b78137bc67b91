"""Which weights stay: one mechanism for every criterion.

Selection = scope (row, layer, network) x pattern (unstructured, n:m), an exact count, ties to the
earlier layer and index. A criterion never sees a share.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from compress_core.answers import Scores
from compress_core.errors import Refused
from compress_core.knobs import Step, Strict, Unit

Scope = Literal["row", "layer", "network"]


class Selection(Strict):
    """The knobs of selection, declared once; every criterion gets them."""

    sparsity: Annotated[
        float,
        Field(ge=0, le=1, description="Share of the weights that is set to zero."),
        Unit("share"),
        Step(0.001),
    ] = 0.5
    scope: Annotated[
        Scope,
        Field(description="Among which weights the share is counted: each row, each layer or the network."),
    ] = "layer"
    pattern: Annotated[
        str,
        Field(
            pattern=r"^(unstructured|\d{1,3}:\d{1,3})$",
            description="Any weights, or at most n of every m neighbouring inputs kept, written n:m.",
            examples=["unstructured", "1:4", "2:4", "4:8"],
        ),
    ] = "unstructured"

    @field_validator("pattern")
    @classmethod
    def _n_below_m(cls, pattern: str) -> str:
        counts = n_of_m(pattern)
        if counts is not None and not 0 < counts[0] < counts[1]:
            raise Refused("n must be at least 1 and below m, as in 2:4")
        return pattern

    @model_validator(mode="before")
    @classmethod
    def _sparsity_of_pattern(cls, values: Any) -> Any:
        """A pattern n:m fixes the sparsity."""
        counts = n_of_m(str(values.get("pattern"))) if isinstance(values, Mapping) else None
        if counts is None or counts[1] == 0 or "sparsity" in values:
            return values
        return {**values, "sparsity": max(0.0, 1 - counts[0] / counts[1])}

    @model_validator(mode="after")
    def _one_sparsity(self) -> Selection:
        counts = n_of_m(self.pattern)
        if counts is not None:
            fixed = 1 - counts[0] / counts[1]
            if abs(self.sparsity - fixed) > 1e-3:
                raise Refused(
                    "pattern {pattern} fixes the sparsity at {fixed:.3g}; "
                    "leave out sparsity {sparsity:.3g} or use pattern unstructured",
                    pattern=self.pattern,
                    fixed=fixed,
                    sparsity=self.sparsity,
                )
        return self


def n_of_m(pattern: str) -> tuple[int, int] | None:
    """(n, m) of an n:m pattern, None for unstructured."""
    found = re.fullmatch(r"(\d+):(\d+)", pattern)
    return None if found is None else (int(found[1]), int(found[2]))


_STRIDE = 256  # of the sample that narrows a search over many layers
_BLOCK = 2**16  # scores at a time, so that the passes stay in the cache


@dataclass(frozen=True)
class Place:
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
        """Each layer's scores, ascending; views."""
        return tuple(self.ascending[a:b] for a, b in zip((0, *self.ends), self.ends, strict=False))

    def place(self, removed: int) -> Place:
        """Where a selection ends that removes so many."""
        if removed == 0:
            sizes = tuple(len(layer) for layer in self.layers)
            return Place(float("-inf"), 0, sizes, (0,) * len(sizes))
        threshold = self.ascending[removed - 1] if len(self.ends) == 1 else self._lowest(removed)
        up_to = [int(np.searchsorted(layer, threshold, side="right")) for layer in self.layers]
        below = [int(np.searchsorted(layer, threshold, side="left")) for layer in self.layers]
        above = tuple(len(layer) - i for layer, i in zip(self.layers, up_to, strict=True))
        equal = tuple(i - j for i, j in zip(up_to, below, strict=True))
        return Place(float(threshold), sum(up_to) - removed, above, equal)

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


@dataclass(frozen=True)
class Above:
    """Weights whose score is above a threshold stay, and so do the chosen ones that equal it.

    ties: flat indices of weights at the threshold that stay too.
    """

    scores: Scores
    threshold: float
    ties: Tensor
    count: int

    @cached_property
    def mask(self) -> Tensor:
        """kept [out, in] bool."""
        kept = self.scores.ranked() > self.threshold
        kept.view(-1)[self.ties] = True
        return kept

    def prune_into(self, weight: Tensor, out: Tensor) -> Tensor:
        """Write the weight with zeros where it is pruned."""
        if not (self.scores.absolute and self.scores.values is weight and weight.is_contiguous()):
            return _masked_into(weight, self.mask, out)
        torch.hardshrink(weight, max(self.threshold, -1.0), out=out)
        if len(self.ties):
            out.view(-1)[self.ties] = weight.view(-1)[self.ties]
        return out


def _masked_into(weight: Tensor, mask: Tensor, out: Tensor) -> Tensor:
    """A product with the mask would leave -0.0 for negative weights."""
    return torch.where(mask, weight, weight.new_zeros(()), out=out)


@dataclass(frozen=True)
class Chosen:
    """An explicit mask, kept [out, in] bool."""

    mask: Tensor

    @cached_property
    def count(self) -> int:
        return int(self.mask.count_nonzero())

    def prune_into(self, weight: Tensor, out: Tensor) -> Tensor:
        """Write the weight with zeros where it is pruned."""
        return _masked_into(weight, self.mask, out)


Kept = Above | Chosen


def select(
    scores: Sequence[Scores],
    kernel_shapes: Sequence[torch.Size],
    names: Sequence[str],
    choice: Selection,
    ranking: Ranking | None,
) -> tuple[Kept, ...]:
    """Which weights of each layer of one scope stay.

    ranking, of the same scores, is used by unstructured selection over layers and the network.
    """
    counts = n_of_m(choice.pattern)
    if counts is not None:
        return tuple(
            Chosen(largest_n_of_m(s.ranked(), shape, *counts, name=name))
            for s, shape, name in zip(scores, kernel_shapes, names, strict=True)
        )
    if choice.scope == "row":
        return tuple(Chosen(_within_rows(s.ranked(), choice.sparsity)) for s in scores)
    return _across(scores, ranking or rank_scores(scores), choice.sparsity)


def exact_count(share: float, size: int) -> int:
    """round(share * size), halves to even as Python rounds."""
    return round(share * size)


def _across(scores: Sequence[Scores], ranking: Ranking, sparsity: float) -> tuple[Kept, ...]:
    place = ranking.place(exact_count(sparsity, len(ranking.ascending)))
    left = place.ties_kept
    kept = []
    for layer, above, equal in zip(scores, place.above, place.equal, strict=True):
        stay = min(left, equal)
        left -= stay
        kept.append(Above(layer, place.threshold, _first_equal(layer, place.threshold, stay), above + stay))
    return tuple(kept)


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
    kept = scores > threshold
    missing = scores.shape[1] - removed - kept.count_nonzero(dim=1)
    tied = torch.nonzero(missing).view(-1)
    equal = scores[tied] == threshold[tied]
    kept[tied] |= equal & (equal.cumsum(dim=1) <= missing[tied].unsqueeze(1))
    return kept


def largest_n_of_m(scores: Tensor, kernel_shape: torch.Size, n: int, m: int, *, name: str) -> Tensor:
    """Keep the n highest of every m neighbouring input channels, for each kernel position.

    scores [out, in * k] -> kept [out, in * k] bool; a last group of fewer than m keeps at most n.

    Raises Refused where a layer has fewer than m input channels: the pattern would leave it dense.
    """
    inputs = kernel_shape[1]
    if inputs < m:
        raise Refused(
            "Pattern {n}:{m} needs at least {m} input channels, but {layer} has {inputs}: "
            "leave this layer out or use pattern unstructured.",
            n=n,
            m=m,
            layer=name,
            inputs=inputs,
        )
    by_position = scores.reshape(*kernel_shape).movedim(1, -1)
    padding = -inputs % m
    padded = torch.nn.functional.pad(by_position, (0, padding), value=float("-inf"))
    groups = torch.unflatten(padded, -1, (-1, m))
    order = torch.sort(groups, dim=-1, descending=True, stable=True).indices[..., :n]
    kept = torch.zeros_like(groups, dtype=torch.bool).scatter_(-1, order, value=True)
    return kept.flatten(-2)[..., :inputs].movedim(-1, 1).reshape(scores.shape)
