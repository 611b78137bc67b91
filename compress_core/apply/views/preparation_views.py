"""Where preparations stand: at a batch norm that may be folded, or at two layers in a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from compress_core.apply.argument import ArgumentView, DependsOn
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.norms import NormState
from compress_core.network.layers.places import read_matrix
from compress_core.techniques.contract.results import Folded, Rescaled


@dataclass(frozen=True)
class NormView(ArgumentView):
    """A batch norm behind a layer."""

    results: ClassVar[tuple[type, ...]] = (Folded,)

    _state: NormState

    @property
    def state(self) -> NormState:
        """What the norm computes with, [channels] float64."""
        self._look(DependsOn.WEIGHT)
        return self._state


@dataclass(frozen=True)
class PairView(ArgumentView):
    """A layer and the only one that reads it, as they are after what was rescaled already."""

    results: ClassVar[tuple[type, ...]] = (Rescaled,)

    _network: nn.Module
    _first: Layer
    _second: Layer

    @property
    def channels(self) -> int:
        """How many channels go from the one to the other."""
        return self._first.rows

    def first(self) -> Tensor:
        """The weight that makes the channels [out, in * k] float64."""
        self._look(DependsOn.WEIGHT)
        return read_matrix(self._network, self._first)

    def second(self) -> Tensor:
        """The weight that reads them [groups, out / groups, in / groups, k] float64."""
        self._look(DependsOn.WEIGHT)
        return in_groups(self._network, self._second)


def in_groups(network: nn.Module, layer: Layer) -> Tensor:
    """A weight as [groups, out / groups, in / groups, k]."""
    return read_matrix(network, layer).view(
        layer.groups, -1, layer.kernel_shape[1], layer.kernel_shape[2:].numel()
    )
