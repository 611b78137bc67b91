"""Dynamic sparse training: a network is sparse from its first step, and its weights change places on the way.

What every such method shares: random masks to begin with, when places change, how many, and the exchange.
Of a layer always as many weights grow as are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import SliderStep, Unit
from compress_core.network.layers.kinds import Layer
from compress_core.selection.patterns import LayerShape
from compress_core.selection.scores import Scores
from compress_core.selection.select import Selection, exact_count, select
from compress_core.training.moment import Moment
from compress_core.training.pruning_schedule import shape_of

MaskSparsity = Annotated[
    float,
    Field(
        ge=0, lt=1, description="Share of zeros of the random masks; where weights are pruned, theirs stay."
    ),
    Unit("share"),
    SliderStep(0.01),
]
Distribution = Annotated[
    Literal["uniform", "erk"],
    Field(
        description="Of random masks: the same sparsity in each layer, or small layers thinned less (erk)."
    ),
]
ShareReplaced = Annotated[
    float,
    Field(
        ge=0, le=1, description="Share of a layer's weights that change places at a time; 0: none ever do."
    ),
    Unit("share"),
    SliderStep(0.05),
]
Every = Annotated[
    int,
    Field(
        ge=1, le=10000, description="After so many steps weights change places; at least once in an epoch."
    ),
    Unit("step"),
]
Until = Annotated[
    float,
    Field(ge=0, le=1, description="The part of the training over which places change; then they stay."),
    Unit("share"),
    SliderStep(0.05),
]
TAKEN = -1.0
"""Below the merit of any place."""


def random_masks(
    masks: Mapping[str, Tensor],
    layers: Mapping[str, Layer],
    generator: torch.Generator,
    *,
    sparsity: float,
    distribution: Literal["uniform", "erk"],
) -> dict[str, Tensor] | None:
    """Random masks [out, in] of an exact sparsity; None where some layer is pruned, so that those masks stay.

    erk: Mocanu et al. 2018, arXiv:1707.04780, eq. 1, as in Evci et al. 2020, arXiv:1911.11134, section 3.
    """
    if any_pruned(masks):
        return None
    drawn = {name: torch.rand(mask.shape, generator=generator) for name, mask in masks.items()}
    if distribution == "uniform":
        return {n: _chosen({n: each}, layers, Selection(sparsity=sparsity))[n] for n, each in drawn.items()}
    return _chosen(drawn, layers, Selection(sparsity=sparsity, scope="erk"))


def _chosen(
    scores: Mapping[str, Tensor], layers: Mapping[str, Layer], choice: Selection
) -> dict[str, Tensor]:
    """The masks [out, in] of layers that share one budget."""
    shapes = [shape_of(name, layers[name]) for name in scores]
    chosen = select([Scores(each) for each in scores.values()], shapes, choice, None)
    return {name: mask.tensor for name, mask in zip(scores, chosen, strict=True)}


def any_pruned(masks: Mapping[str, Tensor]) -> bool:
    """Whether some weight of masks [out, in] is held at zero."""
    return not all(bool(mask.all()) for mask in masks.values())


def places_change(moment: Moment, every: int, until: float) -> bool:
    """Whether weights change places before this step."""
    return moment.comes_every(every) and moment.step < until * moment.steps


def cosine_share(moment: Moment, share: float, until: float) -> float:
    """The share of weights that change places: half a cosine from `share` down to 0 where it ends.

    Evci et al. 2020, arXiv:1911.11134, section 3 (2).
    """
    return share / 2 * (1 + math.cos(math.pi * min(1.0, moment.step / (until * moment.steps))))


def highest(scores: Tensor, count: int, shape: LayerShape) -> Tensor:
    """A mask of the `count` highest scores [out, in]; of equals the earlier."""
    sparsity = 1 - count / max(1, scores.numel())
    return select([Scores(scores)], [shape], Selection(sparsity=sparsity), None)[0].tensor


def without_smallest(mask: Tensor, weight: Tensor, share: float, shape: LayerShape) -> Tensor:
    """The mask without a share of its weights, the smallest; mask, weight [out, in]."""
    active = int(mask.count_nonzero())
    sizes = torch.where(mask, weight.abs(), TAKEN)
    return highest(sizes, active - exact_count(share, active), shape)


def exchanged(mask: Tensor, weight: Tensor, merit: Tensor, share: float, shape: LayerShape) -> Tensor:
    """Drop a share of the weights, the smallest, and grow as many where the merit is highest.

    mask, weight, merit [out, in], merit not below 0. A place that was just dropped may be chosen again; then
    its weight stays as it is.

    Evci et al. 2020, arXiv:1911.11134, algorithm 1.
    """
    kept = without_smallest(mask, weight, share, shape)
    missing = int(mask.count_nonzero()) - int(kept.count_nonzero())
    return kept | highest(torch.where(kept, TAKEN, merit), missing, shape)
