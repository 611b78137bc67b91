"""How strongly the loss of each item depends on each weight, and where nothing can be said of that.

Items run one by one, because the mean gradient of a trained network is about 0 and says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.network.forward import running_on
from compress_core.network.layers.kinds import Layer, WeightLocation
from compress_core.network.layers.places import matrix_within, place_in
from compress_core.network.living_memory import rows_at_once
from compress_core.network.not_finite import is_finite

Loss = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True, eq=False)
class SquaredGradients:
    """The mean over items of a weight's squared gradient [out, in / groups * k], and where it comes from.

    reached: items from which a gradient came at all; not_finite: items where it is NaN or infinite.
    """

    mean: Tensor
    items: int
    reached: int
    not_finite: int

    def told_of(self, layer: str) -> Tensor:
        """The mean [out, in / groups * k]; raises Refused where it says nothing of a layer."""
        if self.not_finite:
            raise Refused(
                "The gradient at {layer} is NaN or infinite on {count} of {total} calibration items: repair "
                "the network or leave those items out, or use a criterion that needs no gradient.",
                layer=layer,
                count=self.not_finite,
                total=self.items,
            )
        if not self.reached:
            raise Refused(
                "No gradient reaches {layer}: what it computes is detached, run without gradients, rounded, "
                "compared or not used at all. Use a criterion that needs none, such as magnitude or wanda.",
                layer=layer,
            )
        if not self.mean.any():
            raise Refused(
                "The gradient at {layer} is exactly 0 on all {total} calibration items, which tells no "
                "weight from another: what stands behind it rounds, saturates or multiplies it by 0. Use a "
                "criterion that needs no gradient, such as magnitude or wanda.",
                layer=layer,
                total=self.items,
            )
        return self.mean


@dataclass
class _Gradients:
    """Running sums of one layer."""

    total: Tensor
    reached: int = 0
    not_finite: int = 0

    def add(self, gradient: Tensor) -> None:
        self.reached += 1
        if is_finite(gradient):
            self.total += gradient.square()
        else:
            self.not_finite += 1


def fisher_diagonals(
    network: nn.Module,
    layers: Sequence[Layer],
    items: Tensor,
    labels: Tensor | None,
    loss: Loss,
) -> Mapping[str, SquaredGradients]:
    """Mean over items [N, ...] of the squared gradient of each item's loss, for every layer; labels [N].

    The loss takes the answers of one item [1, ...] and its label [1, ...], or None.
    """
    places = {layer.name: place_in(network, layer) for layer in layers}
    parameters = {name: _parameter_at(place) for name, place in places.items()}
    held = dict(network.named_parameters(remove_duplicate=False))
    rows_at_once(network, items, 1, gradient=True)
    sums = {layer.name: _Gradients(torch.zeros(layer.rows, layer.columns)) for layer in layers}
    with torch.inference_mode(mode=False), torch.enable_grad():
        leaves = {name: held[name].detach().requires_grad_() for name in dict.fromkeys(parameters.values())}
        for index in range(len(items)):
            label = None if labels is None else labels[index : index + 1]
            found = _gradients(network, leaves, items[index : index + 1], label, loss)
            for layer in layers:
                gradient = found[parameters[layer.name]]
                if gradient is not None:
                    sums[layer.name].add(matrix_within(gradient, layer, places[layer.name]))
    n = len(items)
    return {
        name: SquaredGradients(found.total / max(1, n), n, found.reached, found.not_finite)
        for name, found in sums.items()
    }


def _gradients(
    network: nn.Module, leaves: dict[str, Tensor], item: Tensor, label: Tensor | None, loss: Loss
) -> dict[str, Tensor | None]:
    """The gradient of one item's loss for each parameter, None where the item does not reach it."""
    with running_on(item):
        scores = torch.func.functional_call(network, leaves, (item.clone(),))
    if not isinstance(scores, Tensor):
        raise Refused(
            "The model must return a tensor, but it returned {got}: wrap it so that forward returns that.",
            got=type(scores).__name__,
        )
    if not scores.requires_grad:
        return dict.fromkeys(leaves)
    cost = loss(scores, label)
    found = torch.autograd.grad(cost, list(leaves.values()), allow_unused=True)
    return dict(zip(leaves, found, strict=True))


def _parameter_at(place: WeightLocation) -> str:
    return ".".join(filter(None, (place.module, place.parameter)))
