"""Iterative magnitude pruning with rewinding."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import SliderStep, Unit
from compress_core.network.layers.kinds import Layer
from compress_core.selection.select import exact_count
from compress_core.training.method import Hooks, Rewinding, training_method
from compress_core.training.pruning_schedule import smallest_pruned


def share_pruned(
    weights: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    layers: Mapping[str, Layer],
    *,
    share: float,
    scope: Literal["layer", "network"],
) -> dict[str, Tensor]:
    """Masks [out, in] without a share of the weights that are left, the smallest; weights, masks by name.

    Frankle et al. 2020, arXiv:1912.05671, algorithm 2.
    """
    budgets = [{name: mask} for name, mask in masks.items()] if scope == "layer" else [dict(masks)]
    chosen: dict[str, Tensor] = {}
    for budget in budgets:
        left = sum(int(mask.count_nonzero()) for mask in budget.values())
        gone = sum(mask.numel() for mask in budget.values()) - left
        chosen |= smallest_pruned(weights, budget, layers, gone + exact_count(share, left))
    return chosen


@training_method(order=12)
def rewind(
    *,
    rounds: Annotated[
        int, Field(ge=1, le=30, description="How often weights are pruned and the rest goes back.")
    ] = 2,
    share: Annotated[
        float,
        Field(ge=0, lt=1, description="Share of the weights that are left which goes each time."),
        Unit("share"),
        SliderStep(0.05),
    ] = 0.5,
    scope: Annotated[
        Literal["layer", "network"],
        Field(description="Among which weights the share is counted: each layer, or the network."),
    ] = "layer",
    early_epochs: Annotated[
        int,
        Field(ge=0, le=20, description="To the weights after so many epochs the rest goes back."),
        Unit("epoch"),
    ] = 0,
) -> Hooks:
    """Train, prune the smallest weights, put the others back to what they were early on, and train again.

    The epochs are divided among rounds + 1 trainings; the rate falls in each of them. Weights, biases and
    norms go back, masks stay. With 5 times 0.5 one weight in 32 is left; the last epoch is given.

    Frankle et al. 2020, arXiv:1912.05671, algorithm 2.
    """
    pruned = partial(share_pruned, share=share, scope=scope)
    return Hooks(rewinding=Rewinding(rounds + 1, early_epochs, pruned), ready_at=1.0)
