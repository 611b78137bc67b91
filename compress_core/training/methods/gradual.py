"""Gradual magnitude pruning."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import SliderStep, Unit
from compress_core.network.layers.kinds import Layer
from compress_core.training.method import Hooks, training_method
from compress_core.training.moment import Moment
from compress_core.training.pruning_schedule import (
    PruningScope,
    cubic_sparsity,
    removed_counts,
    smallest_pruned,
    sparsity_of,
)


def gradually_pruned(
    weights: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    first_masks: Mapping[str, Tensor],
    layers: Mapping[str, Layer],
    moment: Moment,
    *,
    sparsity: float,
    scope: PruningScope,
    every: int,
    share: float,
) -> dict[str, Tensor] | None:
    """The masks [out, in] of this step, or None where it is not a step of the schedule.

    weights, masks, first_masks [out, in] by name; first_masks: with which the training began.

    Zhu and Gupta 2017, arXiv:1710.01878, eq. 1.
    """
    last = moment.first_after(share)
    if moment.step > last or not (moment.step == last or moment.comes_every(every)):
        return None
    over = moment.step / last if last else 1.0
    budgets = [{n: mask} for n, mask in first_masks.items()] if scope == "layer" else [first_masks]
    wanted = {n: cubic_sparsity(sparsity_of(first), sparsity, over) for first in budgets for n in first}
    chosen: dict[str, Tensor] = {}
    for names, removed in removed_counts(first_masks, layers, scope, wanted):
        chosen |= smallest_pruned(weights, {name: masks[name] for name in names}, layers, removed)
    return chosen


@training_method(order=11)
def gradual(
    *,
    sparsity: Annotated[
        float,
        Field(ge=0, lt=1, description="Share of the weights that is zero at the end."),
        Unit("share"),
        SliderStep(0.01),
    ] = 0.9,
    scope: Annotated[
        PruningScope,
        Field(
            description="Among which weights the share is counted: each layer, the network, or the network "
            "with small layers thinned less (erk)."
        ),
    ] = "layer",
    every: Annotated[
        int,
        Field(ge=1, le=10000, description="After so many steps weights go; at least once in an epoch."),
        Unit("step"),
    ] = 20,
    share: Annotated[
        float,
        Field(ge=0, le=1, description="The part of the training over which weights go; the rest recovers."),
        Unit("share"),
        SliderStep(0.05),
    ] = 0.75,
) -> Hooks:
    """Prune a little at a time while the network trains, so that what is left can make up for it.

    The smallest weights go, many at first and few at the end, from the sparsity that is there to the one
    that is asked for; what is pruned stays so. Of the epochs at the full sparsity the best is given.

    Zhu and Gupta 2017, arXiv:1710.01878, eq. 1.
    """
    chosen = partial(gradually_pruned, sparsity=sparsity, scope=scope, every=every, share=share)
    return Hooks(masks=chosen, ready_at=share)
