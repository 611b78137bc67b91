"""What of a weight learns while a network trains, and what is held: its mask, its codes, its levels.

A weight stays in the form in which its model would store it: pruned weights stay zero, quantized ones keep
their codes while the levels learn. A method may bring a parametrization: rounding with a learned step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from compress_core.levels.any_levels import Levels
from compress_core.levels.exponential import Exponential
from compress_core.levels.grid import Grid
from compress_core.levels.scaled_table import ScaledTable
from compress_core.levels.spread import spread
from compress_core.levels.table import Table
from compress_core.selection.select import ExplicitMask
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.results import Quantized
from compress_core.training.weight_codes import WeightCodes

Learned = Mapping[str, Tensor]
"""What learns of one weight, by name."""

WEIGHT, GAIN, LEVELS = "weight", "gain", "levels"
_SMALLEST_GAIN = 2.0**-10
_TINY = torch.finfo(torch.float32).tiny


class Parametrization(Protocol):
    """A weight [out, in] as a function of what learns.

    mask [out, in] bool says which weights may be other than zero, None that all may.
    """

    @property
    def mask(self) -> Tensor | None:
        """Which weights [out, in] may be other than zero."""

    def start(self) -> dict[str, Tensor]:
        """What learns, of any shape, as it is before the first step."""

    def weight(self, learned: Learned) -> Tensor:
        """The weight [out, in] that the network applies, differentiable in what learns."""

    def encoded(self, learned: Learned) -> EncodedWeight:
        """The weight as it would be stored; what it decodes to is what is evaluated."""

    def codes(self, learned: Learned, /) -> WeightCodes | None:
        """Levels and the places between them; None where weights are not rounded to evenly spaced ones."""

    def with_mask(self, mask: Tensor) -> Parametrization:
        """The same with other weights held at zero, mask [out, in]."""


@dataclass(frozen=True, eq=False)
class FreeWeight:
    """Every weight that the mask leaves learns by itself; before [out, in] is what it starts from."""

    before: Tensor
    mask: Tensor | None = None

    def start(self) -> dict[str, Tensor]:
        """The weight [out, in] itself."""
        return {WEIGHT: self.before.clone()}

    def weight(self, learned: Learned) -> Tensor:
        """The weight [out, in], zero where it is pruned."""
        values = learned[WEIGHT]
        return values if self.mask is None else torch.where(self.mask, values, values.new_zeros(()))

    def encoded(self, learned: Learned) -> EncodedWeight:
        """Its values under its mask."""
        values = self.weight(learned).detach().clone()
        return EncodedWeight(values, None if self.mask is None else ExplicitMask(self.mask))

    def codes(self, _learned: Learned) -> None:
        """Nothing is rounded."""

    def with_mask(self, mask: Tensor) -> FreeWeight:
        """The same weight with another mask [out, in]."""
        return replace(self, mask=mask)


@dataclass(frozen=True, eq=False)
class HeldCodes:
    """Which level a weight has is held; the levels learn: a codebook freely, a grid by its scale.

    A level that is zero stays zero. Powers of two have nothing to learn.
    """

    before: EncodedWeight

    @property
    def mask(self) -> Tensor | None:
        """Which weights [out, in] are not pruned."""
        return None if self.before.mask is None else self.before.mask.tensor

    @property
    def _levels(self) -> Levels:
        assert self.before.quantized is not None, "codes are held of what is quantized"
        return self.before.quantized.levels

    def start(self) -> dict[str, Tensor]:
        """The levels of a codebook [rows, levels], or a gain for each scale [rows, groups]."""
        match self._levels:
            case Table() as codebook:
                return {LEVELS: codebook.table.clone()}
            case Exponential():
                return {}
            case Grid() | ScaledTable() as scaled:
                return {GAIN: torch.ones_like(scaled.scale, dtype=torch.float32)}

    def weight(self, learned: Learned) -> Tensor:
        """What the codes stand for [out, in], zero where it is pruned."""
        codes = self.before.codes
        match self._levels:
            case Table():
                values = _looked_up(learned[LEVELS], codes)
            case Exponential() as powers:
                values = powers.decode(codes)
            case Grid() | ScaledTable() as scaled:
                gain = learned[GAIN].clamp(min=_SMALLEST_GAIN)
                values = scaled.decode(codes) * spread(gain, codes.shape[1], scaled.group)
        return values if self.mask is None else torch.where(self.mask, values, values.new_zeros(()))

    def encoded(self, learned: Learned) -> EncodedWeight:
        """The same codes with the levels that were learned."""
        codes = self.before.codes
        match self._levels:
            case Table() as codebook:
                quantized = _ascending(_with_zeros(learned[LEVELS].detach(), codebook.table), codes)
            case Exponential() as powers:
                quantized = Quantized(powers, codes)
            case Grid() | ScaledTable() as scaled:
                gain = learned[GAIN].detach().clamp(min=_SMALLEST_GAIN)
                scale = (scaled.scale * gain).clamp(min=_TINY)  # as that of a row without any weight
                quantized = Quantized(replace(scaled, scale=scale), codes)
        return replace(self.before, quantized=quantized)

    def codes(self, _learned: Learned) -> None:
        """Nothing moves between levels."""

    def with_mask(self, mask: Tensor) -> HeldCodes:
        """The same codes under another mask [out, in]."""
        return HeldCodes(replace(self.before, mask=ExplicitMask(mask)))


def held_parametrization(encoded: EncodedWeight) -> Parametrization:
    """What learns of a weight in the form in which it is stored already."""
    if encoded.quantized is not None:
        return HeldCodes(encoded)
    return FreeWeight(encoded.values, None if encoded.mask is None else encoded.mask.tensor)


def pruned_where_zero(encoded: EncodedWeight) -> EncodedWeight:
    """The same weight with a mask that leaves what is not zero."""
    return replace(encoded, mask=ExplicitMask(encoded.values != 0))


def _looked_up(levels: Tensor, codes: Tensor) -> Tensor:
    """levels [1, L] or [out, L], codes [out, in] -> values [out, in]; a level of zero gets no gradient."""
    learns = torch.where(levels == 0, levels.detach(), levels)
    return learns[0][codes.long()] if levels.shape[0] == 1 else learns.gather(1, codes.long())


def _with_zeros(levels: Tensor, before: Tensor) -> Tensor:
    return torch.where(before == 0, before, levels)


def _ascending(levels: Tensor, codes: Tensor) -> Quantized:
    """Levels [rows, L] in order again, and the codes [out, in] that stand for the same values."""
    table, order = levels.sort(dim=1)
    place = order.argsort(dim=1).to(torch.int16)
    moved = place[0][codes.long()] if len(place) == 1 else place.gather(1, codes.long())
    return Quantized(Table(table), moved)
