"""Which weights stay: one mechanism for every criterion.

Selection = scope (row, layer, network) x pattern (unstructured, n:m), an exact count, ties to the
earlier layer and index. A criterion never sees a share.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

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
            raise ValueError("n must be at least 1 and below m, as in 2:4")
        return pattern

    @model_validator(mode="after")
    def _one_sparsity(self) -> Selection:
        counts = n_of_m(self.pattern)
        if counts is not None and "sparsity" in self.model_fields_set:
            given = 1 - counts[0] / counts[1]
            if abs(self.sparsity - given) > 1e-3:
                raise ValueError(
                    f"pattern {self.pattern} fixes the sparsity at {given:.3g}; "
                    f"leave out sparsity {self.sparsity:.3g} or use pattern unstructured"
                )
        return self


def n_of_m(pattern: str) -> tuple[int, int] | None:
    """(n, m) of an n:m pattern, None for unstructured."""
    found = re.fullmatch(r"(\d+):(\d+)", pattern)
    return None if found is None else (int(found[1]), int(found[2]))


@dataclass(frozen=True)
class Ranking:
    """Scores of one selection in ascending order: a share then becomes a look-up."""

    ascending: np.ndarray

    def place(self, removed: int) -> tuple[float, int]:
        """(threshold, ties kept): keep what is above the threshold and so many that equal it."""
        if removed == 0:
            return float("-inf"), 0
        threshold = self.ascending[removed - 1]
        last_equal = int(np.searchsorted(self.ascending, threshold, side="right"))
        return float(threshold), last_equal - removed


def rank_scores(scores: Sequence[Scores]) -> Ranking:
    """Sort the scores of all layers of one scope; numpy sorts with vector instructions, torch does not."""
    flat = [s.ranked().reshape(-1).numpy() for s in scores]
    joined = flat[0].copy() if len(flat) == 1 else np.concatenate(flat)
    joined.sort()
    return Ranking(joined)


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
        if self.scores.absolute and self.scores.values is weight and weight.is_contiguous():
            torch.hardshrink(weight, max(self.threshold, -1.0), out=out)
            out.view(-1)[self.ties] = weight.view(-1)[self.ties]
            return out
        return torch.mul(weight, self.mask, out=out)


@dataclass(frozen=True)
class Chosen:
    """An explicit mask, kept [out, in] bool."""

    mask: Tensor

    @cached_property
    def count(self) -> int:
        return int(self.mask.count_nonzero())

    def prune_into(self, weight: Tensor, out: Tensor) -> Tensor:
        """Write the weight with zeros where it is pruned."""
        return torch.mul(weight, self.mask, out=out)


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
    removed = exact_count(sparsity, len(ranking.ascending))
    threshold, ties_left = ranking.place(removed)
    if len(scores) == 1:
        ties = _first_equal(scores[0], threshold, ties_left)
        return (Above(scores[0], threshold, ties, len(ranking.ascending) - removed),)
    kept = []
    for layer in scores:
        ties = _first_equal(layer, threshold, ties_left)
        ties_left -= len(ties)
        above = int((layer.ranked() > threshold).count_nonzero())
        kept.append(Above(layer, threshold, ties, above + len(ties)))
    return tuple(kept)


def _first_equal(scores: Scores, threshold: float, at_most: int) -> Tensor:
    if at_most <= 0:
        return torch.empty(0, dtype=torch.int64)
    return torch.nonzero(scores.ranked().reshape(-1) == threshold).view(-1)[:at_most]


def _within_rows(scores: Tensor, sparsity: float) -> Tensor:
    kept = scores.shape[1] - exact_count(sparsity, scores.shape[1])
    order = torch.sort(scores, dim=1, descending=True, stable=True).indices[:, :kept]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(1, order, value=True)


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
    groups = padded.unflatten(-1, (-1, m))
    order = torch.sort(groups, dim=-1, descending=True, stable=True).indices[..., :n]
    kept = torch.zeros_like(groups, dtype=torch.bool).scatter_(-1, order, value=True)
    return kept.flatten(-2)[..., :inputs].movedim(-1, 1).reshape(scores.shape)
