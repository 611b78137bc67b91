"""Training for a small packed file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from compress_core.deliver.packing.shorter_way import bytes_alone, bytes_of_numbers
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import SliderStep, Unit
from compress_core.levels.grid import Grid
from compress_core.network.layers.kinds import Layer
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.training.code_prices import modeled_bits
from compress_core.training.learned_levels import (
    AS_RECIPE,
    LearnedLevels,
    RoundedBits,
    levels_to_learn,
    not_one_bit,
)
from compress_core.training.method import Hooks, training_method
from compress_core.training.rounded_biases import PowerOfTwoGrid
from compress_core.training.weight_codes import WeightCodes

AS_THEY_ARE = 0
BiasBits = Annotated[
    int,
    AfterValidator(not_one_bit),
    Field(ge=0, le=8, description="Bits for each bias of these layers; with 0 they stay as they are."),
    Unit("bit"),
]
_MOST = 2.0


@dataclass(frozen=True)
class Charge:
    """What a layer's bytes are made of: so many times the modeled bits of its codes, and bits that stay."""

    times: float
    fixed: float

    @classmethod
    def of(cls, written: int, levels: int, modeled: float) -> Charge:
        """From bits really written, those of them for tables of levels, and what the model says of the rest.

        Below 1: neighbors resemble each other, which the model does not know; above: rows and columns had to
        be learned. What is above 2 is the beginning of a stream rather than its codes, and stays.
        """
        times = min(_MOST, (written - levels) / modeled)
        return cls(times, written - times * modeled)


@dataclass(frozen=True)
class Charges:
    """What is charged for each layer's weight, and for its bias where that is rounded."""

    weights: Mapping[str, Charge]
    biases: Mapping[str, Charge]


def charges(
    encoded: Mapping[str, EncodedWeight],
    codes: Mapping[str, WeightCodes],
    biases: Mapping[str, Tensor],
    bias_codes: Mapping[str, WeightCodes],
) -> Charges:
    """What the packed file spends on each layer now, by packing it; the model is held against that.

    biases [out] as they are stored, and their codes [1, out].
    """
    of_biases = {
        name: Charge.of(8 * bytes_of_numbers(biases[name]), 0, _modeled(found))
        for name, found in bias_codes.items()
    }
    return Charges({name: _charge(encoded[name], found) for name, found in codes.items()}, of_biases)


def _charge(encoded: EncodedWeight, codes: WeightCodes) -> Charge:
    written, levels = bytes_alone(encoded)
    return Charge.of(8 * written, 8 * levels, _modeled(codes))


def _modeled(codes: WeightCodes) -> float:
    return max(1.0, float(modeled_bits(codes)))


def packed_bits(
    codes: Mapping[str, WeightCodes], bias_codes: Mapping[str, WeightCodes], noted: Charges
) -> Tensor:
    """Bits that the packed file spends on weights [out, in] and biases [1, out].

    Differentiable in the places of codes.
    """
    priced = [(noted.weights[name], found) for name, found in codes.items()]
    priced += [(noted.biases[name], found) for name, found in bias_codes.items()]
    return torch.stack([charge.fixed + charge.times * modeled_bits(found) for charge, found in priced]).sum()


def rate(
    codes: Mapping[str, WeightCodes],
    bias_codes: Mapping[str, WeightCodes],
    noted: Charges,
    *,
    strength: float,
) -> Tensor:
    """strength x bits for each weight, in nats; codes of weights [out, in] and biases [1, out]."""
    weights = sum(found.level.numel() for found in codes.values())
    return strength * packed_bits(codes, bias_codes, noted) / weights


def even_levels(layer: Layer, encoded: EncodedWeight, *, bits: int) -> LearnedLevels | None:
    """Levels that learn; raises Refused where those of the recipe are not evenly spaced."""
    if encoded.quantized is not None and not isinstance(encoded.quantized.levels, Grid):
        raise Refused(
            "rate_aware counts the bits of evenly spaced levels, and those of {layer} are not: quantize it "
            "with uniform, affine or clipped, or leave it out with match.",
            layer=layer.name,
        )
    levels = levels_to_learn(encoded, bits)
    return None if levels is None else replace(levels, prunes_zeros=True)


@training_method(order=6)
def rate_aware(
    *,
    strength: Annotated[
        float,
        Field(ge=0, le=100, description="How much a bit for each weight costs, beside the loss in nats."),
        SliderStep(0.05),
    ] = 0.5,
    bits: RoundedBits = AS_RECIPE,
    bias_bits: BiasBits = AS_THEY_ARE,
) -> Hooks:
    """Learn weights that pack well: beside the loss, every bit of the packed file costs something.

    Loss + strength x bits / weights, in nats: the bits that the packed file spends on the layers whose
    weights are rounded. Before each epoch these are packed; in between, codes are counted in a model of their
    rows, columns and levels that is held against what was written. Weights are rounded as by qat, and step
    sizes learn. What is rounded to zero is stored as pruned, and may come back while training goes on; rows
    and columns that became empty cost next to nothing. Biases may be rounded too, to a step that is a power
    of two, and cost what they take; one that nobody hears moves to zero.

    After Wiedemann et al. 2020, DeepCABAC, arXiv:1907.11900, section III; steps: Esser et al. 2020,
    arXiv:1902.08153.
    """
    return Hooks(
        note=charges,
        penalty=partial(rate, strength=strength),
        parametrization=partial(even_levels, bits=bits),
        biases=None if bias_bits == AS_THEY_ARE else PowerOfTwoGrid(bias_bits),
        input_steps=True,
        ready_at=1.0,
    )
