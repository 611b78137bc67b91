"""Weights that are rounded at each step, while they and the levels they are rounded to both learn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Unit
from compress_core.levels.any_levels import Levels
from compress_core.levels.exponential import Exponential
from compress_core.levels.grid import Grid, full_grid
from compress_core.levels.scaled_table import ScaledTable
from compress_core.levels.spread import spread
from compress_core.levels.table import Table
from compress_core.numerics.scale import range_of_kept
from compress_core.selection.select import ExplicitMask
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.results import Quantized
from compress_core.training.parametrization import GAIN, LEVELS, WEIGHT, Learned
from compress_core.training.weight_codes import WeightCodes

AS_RECIPE = 0


def not_one_bit(bits: int) -> int:
    """The bits of a knob where 0 means as it is; raises Refused for one bit."""
    if bits == 1:
        raise Refused("it must be 0, or from 2 to 8, since one bit has no level on both sides of zero")
    return bits


RoundedBits = Annotated[
    int,
    AfterValidator(not_one_bit),
    Field(
        ge=0,
        le=8,
        description="Bits for each weight of layers that the recipe does not quantize; with 0 they stay as "
        "they are.",
    ),
    Unit("bit"),
]
_SMALLEST_GAIN = 2.0**-10
_TINY = torch.finfo(torch.float32).tiny
_LEADS = 2.0**-60  # of a step: with a smaller one gradients and their squares leave float32


def learned_step(
    weight: Tensor, step: Tensor, units: Tensor, ends: tuple[Tensor, Tensor], share: Tensor
) -> Tensor:
    """units * step [out, in], with the gradient of a learned step size.

    weight [out, in]; units [out, in]: the multiple of its step to which each weight is rounded; ends: the
    lowest and the highest multiple there is, -Q_N and Q_P. step and share broadcast to [out, in]; share is
    by how much the gradient of the step is made smaller. A weight between the ends gets the gradient as if
    it were not rounded, others none; the step gets units - weight / step between the ends, units beyond.

    Esser et al. 2020, arXiv:1902.08153, eq. 1 to 5.
    """
    scaled = (weight / step).detach()
    inside = (ends[0] < scaled) & (scaled < ends[1])
    slope = torch.where(inside, units - scaled, units) * share
    # both differences are exactly zero: what is applied is what is stored
    return (units * step).detach() + inside * (weight - weight.detach()) + slope * (step - step.detach())


def places_between(
    weight: Tensor, step: Tensor, kept: Tensor, ends: tuple[Tensor, Tensor], share: Tensor
) -> Tensor:
    """weight / step [out, in] within the ends, with its gradient where a weight is kept and lies between.

    weight [out, in]; kept [out, in] bool; step, ends and share, of the step's gradient, broadcast to it.
    A row without any weight has a step next to nothing, by which nothing is divided rightly: it gets none.
    """
    scaled = (weight / step).detach()
    led = kept & (step > _LEADS) & (ends[0] <= scaled) & (scaled <= ends[1])
    known, divisor = torch.where(led, scaled, 0.0), step.detach().clamp(min=_LEADS)
    # both differences are exactly zero
    moved = led * (weight - weight.detach()) - known * share * (step - step.detach())
    return scaled.clamp(*ends) + moved / divisor


def gradient_share(sharing: Tensor, highest: Tensor) -> Tensor:
    """1 / sqrt(n Q_P) for n weights that share a step; sharing and highest [rows, groups], or any shape.

    Esser et al. 2020, arXiv:1902.08153, section 2.2.
    """
    return (sharing.clamp(min=1) * highest.clamp(min=1)).rsqrt()


@dataclass(frozen=True, eq=False)
class LearnedLevels:
    """A weight [out, in] rounded to the nearest level; it learns, and so do the levels.

    before [out, in]: the weight unrounded; levels: where they start. A grid, and a table with a scale, learn
    a factor for each scale, so that a learning rate means the same for steps of any size; a codebook learns
    its levels, of which zero stays zero; powers of two are what they are. prunes_zeros: what is rounded to
    zero is stored as pruned.
    """

    before: Tensor
    levels: Levels
    mask: Tensor | None = None
    prunes_zeros: bool = False

    @classmethod
    def of(cls, encoded: EncodedWeight) -> LearnedLevels:
        """It starts at what is stored: a weight that lies nearer to another level begins at its own."""
        assert encoded.quantized is not None, "there are levels to learn"
        levels, codes = encoded.quantized.levels, encoded.quantized.codes
        if isinstance(levels, Grid):
            levels = replace(levels, clips=True)
        latent = encoded.weight
        if codes is not None:
            latent = torch.where(levels.encode(latent) == codes, latent, levels.decode(codes))
        return cls(latent, levels, None if encoded.mask is None else encoded.mask.tensor)

    def start(self) -> dict[str, Tensor]:
        """The weight [out, in], and levels [rows, levels] or a factor for each scale [rows, groups]."""
        latent = {WEIGHT: self.before.clone()}
        match self.levels:
            case Table() as codebook:
                return latent | {LEVELS: codebook.table.clone()}
            case Exponential():
                return latent
            case Grid() | ScaledTable() as scaled:
                return latent | {GAIN: torch.ones_like(scaled.scale, dtype=torch.float32)}

    def weight(self, learned: Learned) -> Tensor:
        """The level of each weight [out, in], zero where it is pruned."""
        latent, levels = learned[WEIGHT], self.levels_of(learned)
        codes = levels.encode(latent.detach())
        match levels:
            case Table():
                table = self._table(learned)
                found = table[0][codes.long()] if len(table) == 1 else table.gather(1, codes.long())
                values = found + (latent - latent.detach())
            case Exponential():
                values = levels.decode(codes) + (latent - latent.detach())
            case Grid() | ScaledTable():
                values = self._with_step(latent, self._scale(learned), levels, codes)
        return values if self.mask is None else torch.where(self.mask, values, values.new_zeros(()))

    def encoded(self, learned: Learned) -> EncodedWeight:
        """The codes of the levels that were learned."""
        latent, levels = learned[WEIGHT].detach().clone(), self.levels_of(learned)
        mask = None if self.mask is None else ExplicitMask(self.mask)
        stored = EncodedWeight(latent, mask, Quantized(levels, levels.encode(latent)))
        return replace(stored, mask=ExplicitMask(stored.values != 0)) if self.prunes_zeros else stored

    def codes(self, learned: Learned) -> WeightCodes | None:
        """The levels of a grid and the places between them; None where levels are not evenly spaced.

        A step size is moved through its places as little as through the loss.
        """
        levels, latent = self.levels_of(learned), learned[WEIGHT]
        if not isinstance(levels, Grid):
            return None
        lowest, highest, units = multiples(levels, levels.encode(latent.detach()))
        scale, share = self._scale(learned), gradient_share(self._sharing(levels), highest)
        inputs, kept = latent.shape[1], self.mask
        kept = torch.ones_like(latent, dtype=torch.bool) if kept is None else kept
        step, lowest_of, highest_of, share = (
            spread(each, inputs, levels.group) for each in (scale, lowest, highest, share)
        )
        place = places_between(latent, step, kept, (lowest_of, highest_of), share)
        return WeightCodes(units, place, kept, int(lowest.min()), int(highest.max()))

    def with_mask(self, mask: Tensor) -> LearnedLevels:
        """The same weight and levels under another mask [out, in]."""
        return replace(self, mask=mask)

    def levels_of(self, learned: Learned) -> Levels:
        """The levels as they are now; nothing learns through them."""
        match self.levels:
            case Table():
                return Table(self._table(learned).detach())
            case Exponential() as powers:
                return powers
            case Grid() | ScaledTable() as scaled:
                return replace(scaled, scale=self._scale(learned).detach())

    def _table(self, learned: Learned) -> Tensor:
        assert isinstance(self.levels, Table)
        table = learned[LEVELS]
        return torch.where(self.levels.table == 0, torch.zeros_like(table), table).sort(dim=1).values

    def _scale(self, learned: Learned) -> Tensor:
        assert isinstance(self.levels, Grid | ScaledTable)
        return (self.levels.scale * learned[GAIN].clamp(min=_SMALLEST_GAIN)).clamp(min=_TINY)

    def _with_step(self, latent: Tensor, scale: Tensor, levels: Grid | ScaledTable, codes: Tensor) -> Tensor:
        lowest, highest, units = multiples(levels, codes)
        inputs = latent.shape[1]
        share = gradient_share(self._sharing(levels), highest)
        step, ends = spread(scale, inputs, levels.group), (lowest, highest)
        lowest, highest = (spread(end, inputs, levels.group) for end in ends)
        return learned_step(latent, step, units, (lowest, highest), spread(share, inputs, levels.group))

    def _sharing(self, levels: Grid | ScaledTable) -> Tensor:
        """How many kept weights share each scale, of the shape of the scales."""
        kept = torch.ones_like(self.before) if self.mask is None else self.mask.to(torch.float32)
        rows, groups = levels.scale.shape
        if levels.group is not None:
            padding = groups * levels.group - kept.shape[1]
            padded = torch.nn.functional.pad(kept, (0, padding))
            kept = torch.unflatten(padded, 1, (groups, levels.group)).sum(2)
        else:
            kept = kept.sum(1, keepdim=True)
        return kept if rows > 1 else kept.sum(0, keepdim=True)


def levels_to_learn(encoded: EncodedWeight, bits: int) -> LearnedLevels | None:
    """The levels of the recipe, to be learned; 2**bits even ones a row where it has none, None for bits 0."""
    if encoded.quantized is not None:
        return LearnedLevels.of(encoded)
    if bits == AS_RECIPE:
        return None
    kept = torch.ones_like(encoded.weight) if encoded.mask is None else encoded.mask.tensor
    grid = full_grid(*range_of_kept(encoded.values, kept, "per_channel"), bits)
    return LearnedLevels.of(EncodedWeight(encoded.weight, encoded.mask, Quantized(grid)))


def multiples(levels: Grid | ScaledTable, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The lowest and highest multiple of each scale, and that of each code [out, in], as float32."""
    if isinstance(levels, ScaledTable):
        units, lowest, highest = levels.table[codes.long()], levels.table[0], levels.table[-1]
        return lowest.expand_as(levels.scale), highest.expand_as(levels.scale), units
    zero_point = torch.zeros_like(levels.scale) if levels.zero_point is None else levels.zero_point
    units = codes.to(torch.float32) - spread(zero_point, codes.shape[1], levels.group)
    return levels.low - zero_point, levels.high - zero_point, units
