"""Constant fan-in: every row of a sparse layer, a neuron or a filter, has equally many weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.network.layers.kinds import Layer
from compress_core.selection.budgets import erdos_renyi
from compress_core.selection.scores import Scores
from compress_core.selection.select import Selection, exact_count, select
from compress_core.training.dynamic_sparsity import TAKEN, any_pruned, highest, without_smallest
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

    Raises Refused where the rows of a pruned layer differ; a row may have none.
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
    counts = counts[counts > 0]
    if len(counts) and int(counts.min()) != int(counts.max()):
        raise Refused(
            "srigl keeps equally many weights in each row, but rows of {layer} have from {least} to {most}: "
            "prune it with scope row, or do not prune, and masks are drawn at random.",
            layer=name,
            least=int(counts.min()),
            most=int(counts.max()),
        )


def regrown(
    mask: Tensor, weight: Tensor, merit: Tensor, share: float, ablation: float, layer: Layer
) -> Tensor:
    """Drop a share of a layer's weights, the smallest; rows grow again to one length, where merit is highest.

    mask, weight, merit [out, in]. Rows that `silenced` names go, and the others share their weights.

    Lasby et al. 2024, arXiv:2305.02299, section 3.1.
    """
    shape, active = shape_of(layer.name, layer), int(mask.count_nonzero())
    if not active:
        return mask
    kept = without_smallest(mask, weight, share, shape)
    wanted = highest(torch.where(mask, TAKEN, merit), active - int(kept.count_nonzero()), shape)
    alive = mask.any(dim=1) & ~silenced(mask, (kept | (wanted & ~mask)).sum(dim=1), ablation)
    fan_in = active // int(alive.sum())
    grown = highest_in_rows(torch.where(kept, torch.inf, merit), fan_in, layer)
    return grown & alive.unsqueeze(1)


def silenced(mask: Tensor, salient: Tensor, ablation: float) -> Tensor:
    """The rows [out] with fewer salient weights than `ablation` times their length, or some of them.

    mask [out, in], salient [out]: weights of each row that are large, and places whose gradient is. The
    least salient go, as many as leave rows among which the layer's weights can be shared out evenly.
    """
    counts = mask.sum(dim=1)
    alive, active = int((counts > 0).sum()), int(counts.sum())
    weak = (counts > 0) & (salient < ablation * counts)
    order = torch.where(weak, salient, mask.shape[1] + 1).sort(stable=True).indices
    for gone in range(min(int(weak.sum()), alive - 1), 0, -1):
        left = alive - gone
        if active % left == 0 and active // left <= mask.shape[1]:
            return torch.zeros(len(mask), dtype=torch.bool).index_fill_(0, order[:gone], value=True)
    return torch.zeros(len(mask), dtype=torch.bool)
