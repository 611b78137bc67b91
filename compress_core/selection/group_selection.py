"""Which units of coupled groups stay: an exact count for each group or over the network.

A unit is what can go alone: a channel, a neuron, a head. At least one of each group stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import SliderStep, Strict, Unit


class GroupSelection(Strict):
    """The knobs of a choice among the units of groups, declared once; every criterion gets them."""

    share_removed: Annotated[
        float,
        Field(ge=0, lt=1, description="Share of the channels, neurons or heads that is cut out."),
        Unit("share"),
        SliderStep(0.001),
    ] = 0.5
    scope: Annotated[
        Literal["group", "network"],
        Field(description="Among which units the share is counted: each group, or all groups together."),
    ] = "group"
    aggregate: Annotated[
        Literal["mean", "max"],
        Field(description="How the scores of the coupled layers become one: their mean or the largest."),
    ] = "mean"
    multiple_of: Annotated[
        int,
        Field(ge=1, le=64, description="Keep a multiple of this many, which some hardware runs faster."),
        Unit("channels"),
    ] = 1


def choose_units(scores: Sequence[Tensor], choice: GroupSelection) -> tuple[Tensor, ...]:
    """kept [units] bool for each group of one scope; scores [units], higher stays longer.

    Of equals the earlier group and unit stays. Rounding to a multiple keeps more, never fewer.
    """
    if choice.scope == "group":
        counts = [_kept_count(len(s), round(choice.share_removed * len(s)), choice) for s in scores]
    else:
        counts = _counts_over_all(scores, choice)
    return tuple(_highest(s, count) for s, count in zip(scores, counts, strict=True))


def _kept_count(units: int, removed: int, choice: GroupSelection) -> int:
    kept = max(1, units - removed)
    return min(units, -(-kept // choice.multiple_of) * choice.multiple_of)


def _counts_over_all(scores: Sequence[Tensor], choice: GroupSelection) -> list[int]:
    joined = torch.cat(list(scores))
    kept = _highest(joined, len(joined) - round(choice.share_removed * len(joined)))
    parts = torch.split(kept, [len(s) for s in scores])
    return [_kept_count(len(p), len(p) - int(p.count_nonzero()), choice) for p in parts]


def _highest(scores: Tensor, count: int) -> Tensor:
    order = torch.sort(scores, descending=True, stable=True).indices[:count]
    return torch.zeros(len(scores), dtype=torch.bool).index_fill_(0, order, value=True)
