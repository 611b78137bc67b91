"""Where in the weights of a network the units of its coupled groups lie, as places that can be looked up."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.apply.base import groups_of
from compress_core.apply.model import Model
from compress_core.foundation.store import Store
from compress_core.network.layers.cut import channel_rows
from compress_core.network.layers.kinds import Layer
from compress_core.structure.group import Group, GroupKind


@dataclass(frozen=True, eq=False)
class UnitPlaces:
    """A coupled group: for each side of a layer that makes or reads its channels, where each unit lies.

    sides: the layer's name, and flat places in its weight [out, in * k], [units, n].
    """

    group: str
    sides: tuple[tuple[str, Tensor], ...]

    def squared_norms(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The sum of squares of each unit's weights over all layers [units]; weights [out, in] by name."""
        parts = (weights[name].reshape(-1)[places].square().sum(dim=1) for name, places in self.sides)
        return torch.stack(list(parts)).sum(dim=0)

    @property
    def weights_in_unit(self) -> int:
        return sum(places.shape[1] for _, places in self.sides)


def unit_places(model: Model, parts: Collection[str], store: Store) -> tuple[UnitPlaces, ...]:
    """The free groups of channels, neurons or heads of a model whose layers are all among the parts."""
    found = (_places(model, group) for group in groups_of(model.base, (), store).values() if _is_free(group))
    return tuple(each for each in found if each.sides and all(name in parts for name, _ in each.sides))


def _is_free(group: Group) -> bool:
    return group.locked is None and group.kind is not GroupKind.BLOCK


def _places(model: Model, group: Group) -> UnitPlaces:
    return UnitPlaces(group.name, tuple(_sides(model, group)))


def _sides(model: Model, group: Group) -> Iterator[tuple[str, Tensor]]:
    for member in group.members:
        layer: Layer | None = model.base.by_name.get(member.module)
        if layer is not None:
            numbers = torch.arange(layer.weights).view(layer.kernel_shape)
            yield layer.name, channel_rows(layer, numbers, member.side)[member.indices].flatten(1)
