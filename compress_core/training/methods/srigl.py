"""SRigL: structured RigL, every neuron with the same number of inputs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.network.layers.kinds import Layer
from compress_core.selection.budgets import erdos_renyi
from compress_core.selection.scores import Scores
from compress_core.selection.select import Selection, exact_count, select
from compress_core.training.dynamic_sparsity import (
    Distribution,
    Every,
    MaskSparsity,
    ShareReplaced,
    Until,
    any_pruned,
    cosine_share,
    places_change,
    without_smallest,
)
from compress_core.training.method import Hooks, training_method
from compress_core.training.moment import Moment
from compress_core.training.pruning_schedule import shape_of


def highest_in_rows(scores: Tensor, fan_in: int, layer: Layer) -> Tensor:
    """A mask with the `fan_in` highest scores [out, in] of every row; of equals the earlier."""
    if not scores.numel():
        return torch.ones(scores.shape, dtype=torch.bool)
    choice = Selection(sparsity=1 - fan_in / scores.shape[1], scope="row")
    return select([Scores(scores)], [shape_of(layer.name, layer)], choice, None)[0].tensor


def fan_ins(
    masks: Mapping[str, Tensor],
    layers: Mapping[str, Layer],
    *,
    sparsity: float,
    distribution: Literal["uniform", "erk"],
) -> dict[str, int]:
    """How many weights each row of a layer keeps, one at least; masks [out, in] by name.

    erk: each layer its part of the budget, rounded to whole rows.
    """
    sizes = [mask.numel() for mask in masks.values()]
    kept = [size - exact_count(sparsity, size) for size in sizes]
    if distribution == "erk":
        shapes = [shape_of(name, layers[name]) for name in masks]
        kept = erdos_renyi(shapes, sizes, sum(sizes) - exact_count(sparsity, sum(sizes)))
    counted = zip(masks.items(), kept, strict=True)
    return {name: max(1, round(count / max(1, len(mask)))) for (name, mask), count in counted}


def random_rows(
    masks: Mapping[str, Tensor],
    layers: Mapping[str, Layer],
    generator: torch.Generator,
    *,
    sparsity: float,
    distribution: Literal["uniform", "erk"],
) -> dict[str, Tensor] | None:
    """Random masks [out, in] with equally many weights in each row; None where layers are pruned so already.

    Raises Refused where the rows of a pruned layer differ.
    """
    if any_pruned(masks):
        for name, mask in masks.items():
            _refuse_uneven(name, mask)
        return None
    wanted = fan_ins(masks, layers, sparsity=sparsity, distribution=distribution)
    return {
        name: highest_in_rows(torch.rand(mask.shape, generator=generator), wanted[name], layers[name])
        for name, mask in masks.items()
    }


def _refuse_uneven(name: str, mask: Tensor) -> None:
    counts = mask.count_nonzero(dim=1)
    if mask.numel() and int(counts.min()) != int(counts.max()):
        raise Refused(
            "srigl keeps equally many weights in each row, but rows of {layer} have from {least} to {most}: "
            "prune it with scope row, or do not prune, and masks are drawn at random.",
            layer=name,
            least=int(counts.min()),
            most=int(counts.max()),
        )


def regrown(mask: Tensor, weight: Tensor, merit: Tensor, share: float, layer: Layer) -> Tensor:
    """Drop a share of a layer's weights, the smallest, and grow in each row as many as it lost.

    mask, weight, merit [out, in]; in a row the places with the highest merit grow.

    Lasby et al. 2024, arXiv:2305.02299, section 3.1.
    """
    fan_in = int(mask[:1].count_nonzero())
    kept = without_smallest(mask, weight, share, shape_of(layer.name, layer))
    return highest_in_rows(torch.where(kept, torch.inf, merit), fan_in, layer)


def regrown_rows(
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
    """The smallest weights give way to those with the largest gradients, row by row as many.

    weights, gradients, masks [out, in] by name; gradients also of weights that are held at zero.
    """
    if not places_change(moment, every, until):
        return None
    now = cosine_share(moment, share, until)
    return {
        name: regrown(mask, weights[name], gradients[name].abs(), now, layers[name])
        for name, mask in masks.items()
    }


@training_method(order=15)
def srigl(
    *,
    sparsity: MaskSparsity = 0.9,
    distribution: Distribution = "erk",
    share_replaced: ShareReplaced = 0.3,
    every: Every = 100,
    until: Until = 0.75,
) -> Hooks:
    """As rigl, but every neuron or filter keeps equally many weights, which a processor can run fast.

    Constant fan-in: of each layer the smallest weights are dropped, and each row grows as many as it lost
    where its gradient is largest. Rows keep one weight at least.

    Lasby et al. 2024, arXiv:2305.02299, section 3.1, without the ablation of neurons.
    """
    return Hooks(
        begin=partial(random_rows, sparsity=sparsity, distribution=distribution),
        masks=partial(regrown_rows, share=share_replaced, every=every, until=until),
    )
