"""How much is pruned when, and which weights: a share that rises while a network trains, masks nested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from compress_core.network.layers.kinds import Layer
from compress_core.selection.budgets import erdos_renyi
from compress_core.selection.patterns import LayerShape
from compress_core.selection.scores import Scores
from compress_core.selection.select import Selection, exact_count, select

PruningScope = Literal["layer", "network", "erk"]
_GONE = -1.0  # below the size of any weight


def cubic_sparsity(first: float, final: float, over: float) -> float:
    """The sparsity when a share `over` of the schedule is done: fast at first, slow at its end.

    first and final: at 0 and at 1; it never falls. Zhu and Gupta 2017, arXiv:1710.01878, eq. 1.
    """
    left = 1 - min(1.0, max(0.0, over))
    return max(first, final + (first - final) * left**3)


def sparsity_of(masks: Mapping[str, Tensor]) -> float:
    """The share of weights that masks [out, in] hold at zero, over all of them."""
    weights = sum(mask.numel() for mask in masks.values())
    return 1 - sum(int(mask.count_nonzero()) for mask in masks.values()) / max(1, weights)


def shape_of(name: str, layer: Layer) -> LayerShape:
    """A layer as a selection sees it."""
    return LayerShape(name, layer.kernel_shape, layer.groups)


def smallest_pruned(
    weights: Mapping[str, Tensor], masks: Mapping[str, Tensor], layers: Mapping[str, Layer], removed: int
) -> dict[str, Tensor]:
    """Masks [out, in] without the `removed` smallest weights of all layers; what is pruned counts among them.

    weights, masks [out, in] by name. A pruned weight goes before any other, so that none comes back.
    """
    names = list(masks)
    scores = [Scores(torch.where(masks[name], weights[name].abs(), _GONE)) for name in names]
    total = sum(mask.numel() for mask in masks.values())
    choice = Selection(sparsity=removed / max(1, total), scope="network")
    chosen = select(scores, [shape_of(name, layers[name]) for name in names], choice, None)
    return {name: mask.tensor & masks[name] for name, mask in zip(names, chosen, strict=True)}


def removed_counts(
    masks: Mapping[str, Tensor],
    layers: Mapping[str, Layer],
    scope: PruningScope,
    sparsities: Mapping[str, float],
) -> list[tuple[tuple[str, ...], int]]:
    """Which layers are pruned together, and how many of their weights are zero then.

    masks [out, in]: those that the training began with; sparsities: for each layer; where layers share a
    budget, all have the same.
    """
    names, sizes = tuple(masks), [mask.numel() for mask in masks.values()]
    if scope == "layer":
        return [((n,), exact_count(sparsities[n], size)) for n, size in zip(names, sizes, strict=True)]
    removed = exact_count(sparsities[names[0]], sum(sizes))
    if scope == "network":
        return [(names, removed)]
    kept = _kept_by_size(masks, layers, sum(sizes) - removed)
    return [((n,), size - count) for n, size, count in zip(names, sizes, kept, strict=True)]


def _kept_by_size(masks: Mapping[str, Tensor], layers: Mapping[str, Layer], kept: int) -> Sequence[int]:
    """The weights that each layer keeps, of those that it has."""
    left = [int(mask.count_nonzero()) for mask in masks.values()]
    return erdos_renyi([shape_of(name, layers[name]) for name in masks], left, min(kept, sum(left)))
