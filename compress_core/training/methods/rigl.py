"""RigL: the rigged lottery."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from compress_core.network.layers.kinds import Layer
from compress_core.training.dynamic_sparsity import (
    Distribution,
    Every,
    MaskSparsity,
    ShareReplaced,
    Until,
    cosine_share,
    exchanged,
    places_change,
    random_masks,
)
from compress_core.training.method import Hooks, training_method
from compress_core.training.moment import Moment
from compress_core.training.pruning_schedule import shape_of


def grown_by_gradient(
    weights: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    layers: Mapping[str, Layer],
    moment: Moment,
    *,
    share: float,
    every: int,
    until: float,
) -> dict[str, Tensor] | None:
    """The smallest weights of each layer give their places to those with the largest gradients.

    weights, gradients, masks [out, in] by name; gradients also of weights that are held at zero.

    Evci et al. 2020, arXiv:1911.11134, algorithm 1.
    """
    if not places_change(moment, every, until):
        return None
    now = cosine_share(moment, share, until)
    return {
        name: exchanged(mask, weights[name], gradients[name].abs(), now, shape_of(name, layers[name]))
        for name, mask in masks.items()
    }


@training_method(order=14)
def rigl(
    *,
    sparsity: MaskSparsity = 0.9,
    distribution: Distribution = "erk",
    share_replaced: ShareReplaced = 0.3,
    every: Every = 100,
    until: Until = 0.75,
) -> Hooks:
    """Train a network that is sparse all the time: its smallest weights give way to those the loss asks for.

    Every so many steps the smallest weights are dropped, and as many grow where the gradient is largest,
    from zero; the share falls along a cosine. Each layer keeps its number of weights at every step.

    Evci et al. 2020, arXiv:1911.11134, algorithm 1.
    """
    return Hooks(
        begin=partial(random_masks, sparsity=sparsity, distribution=distribution),
        masks=partial(grown_by_gradient, share=share_replaced, every=every, until=until),
    )
