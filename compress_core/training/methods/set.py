"""SET: sparse evolutionary training."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from compress_core.network.layers.kinds import Layer
from compress_core.training.dynamic_sparsity import (
    Distribution,
    Every,
    MaskSparsity,
    ShareReplaced,
    Until,
    exchanged,
    places_change,
    random_masks,
)
from compress_core.training.method import Hooks, training_method
from compress_core.training.moment import Moment
from compress_core.training.pruning_schedule import shape_of


def grown_at_random(
    weights: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    layers: Mapping[str, Layer],
    moment: Moment,
    generator: torch.Generator,
    *,
    share: float,
    every: int,
    until: float,
) -> dict[str, Tensor] | None:
    """The smallest weights of each layer give their places to others that chance decides.

    weights, masks [out, in] by name. Mocanu et al. 2018, arXiv:1707.04780, algorithm 1.
    """
    if not places_change(moment, every, until):
        return None
    chance = {name: torch.rand(mask.shape, generator=generator) for name, mask in masks.items()}
    return {
        name: exchanged(mask, weights[name], chance[name], share, shape_of(name, layers[name]))
        for name, mask in masks.items()
    }


@training_method(order=13)
def set(  # noqa: A001 - the field calls the method so, and nobody needs the type in this file
    *,
    sparsity: MaskSparsity = 0.9,
    distribution: Distribution = "erk",
    share_replaced: ShareReplaced = 0.3,
    every: Every = 100,
    until: Until = 0.75,
) -> Hooks:
    """Train a network that is sparse all the time: its smallest weights give way to others, found by chance.

    Sparse evolutionary training. Each layer keeps its number of weights at every step; what grows begins
    at zero. With no share replaced it is a fixed random network, the baseline of such methods.

    Mocanu et al. 2018, arXiv:1707.04780, algorithm 1.
    """
    return Hooks(
        begin=partial(random_masks, sparsity=sparsity, distribution=distribution),
        masks=partial(grown_at_random, share=share_replaced, every=every, until=until),
    )
