"""Where preparations stand: at a norm that may be folded, at two layers in a row, at a group's units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from compress_core.apply.argument import ArgumentView, DependsOn
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.norms import NormState
from compress_core.network.layers.places import read_matrix
from compress_core.techniques.contract.results import Folded, KeptUnits, Rescaled


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


@dataclass(frozen=True, eq=False)
class UnitsStanding:
    """How the units of a coupled group stand: who reads them, and whether they say anything.

    read [units] float64, the largest |weight| that reads each; says_the_same [units] bool, no weight of
    theirs is left and the biases behind can take over what they say.
    """

    read: Tensor
    says_the_same: Tensor


@dataclass(frozen=True)
class UnitsView(ArgumentView):
    """The units of a coupled group, as they are after what was cut already."""

    results: ClassVar[tuple[type, ...]] = (KeptUnits,)

    _standing: UnitsStanding

    @property
    def state(self) -> UnitsStanding:
        """Who reads the units, and which of them always say the same."""
        self._look(DependsOn.WEIGHT)
        return self._standing


def in_groups(network: nn.Module, layer: Layer) -> Tensor:
    """A weight as [groups, out / groups, in / groups, k]."""
    return read_matrix(network, layer).view(
        layer.groups, -1, layer.kernel_shape[1], layer.kernel_shape[2:].numel()
    )
