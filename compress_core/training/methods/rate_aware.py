"""Training for a small packed file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from compress_core.deliver.packing.bytestream import Writer
from compress_core.deliver.packing.level_tables import write_levels
from compress_core.deliver.packing.weight_stream import pack_weight
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import SliderStep
from compress_core.levels.grid import Grid
from compress_core.network.layers.kinds import Layer
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.training.code_prices import modeled_bits
from compress_core.training.learned_levels import AS_RECIPE, LearnedLevels, RoundedBits, levels_to_learn
from compress_core.training.method import Hooks, training_method
from compress_core.training.weight_codes import WeightCodes

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


def charges(encoded: Mapping[str, EncodedWeight], codes: Mapping[str, WeightCodes]) -> dict[str, Charge]:
    """What the packed file spends on each layer now, by packing it; the model is held against that."""
    return {
        name: Charge.of(
            8 * len(pack_weight(encoded[name])), 8 * _bytes_of_levels(encoded[name]), _modeled(found)
        )
        for name, found in codes.items()
    }


def _modeled(codes: WeightCodes) -> float:
    return max(1.0, float(modeled_bits(codes)))


def _bytes_of_levels(encoded: EncodedWeight) -> int:
    assert encoded.quantized is not None, "it has codes"
    writer = Writer()
    write_levels(writer, encoded.quantized.levels)
    return len(writer.content())


def packed_bits(codes: Mapping[str, WeightCodes], noted: Mapping[str, Charge]) -> Tensor:
    """Bits that the packed file spends on these weights [out, in], differentiable in the places of codes."""
    bits = [noted[name].fixed + noted[name].times * modeled_bits(found) for name, found in codes.items()]
    return torch.stack(bits).sum()


def rate(codes: Mapping[str, WeightCodes], noted: Mapping[str, Charge], *, strength: float) -> Tensor:
    """strength x bits for each weight, in nats; codes of weights [out, in]."""
    return strength * packed_bits(codes, noted) / sum(found.level.numel() for found in codes.values())


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
) -> Hooks:
    """Learn weights that pack well: beside the loss, every bit of the packed file costs something.

    Loss + strength x bits / weights, in nats: the bits that the packed file spends on the layers whose
    weights are rounded. Before each epoch these are packed; in between, codes are counted in a model of their
    rows, columns and levels that is held against what was written. Weights are rounded as by qat, and step
    sizes learn. What is rounded to zero is stored as pruned, and may come back while training goes on; rows
    and columns that became empty cost next to nothing.

    After Wiedemann et al. 2020, DeepCABAC, arXiv:1907.11900, section III; steps: Esser et al. 2020,
    arXiv:1902.08153.
    """
    return Hooks(
        note=charges,
        penalty=partial(rate, strength=strength),
        parametrization=partial(even_levels, bits=bits),
        input_steps=True,
        ready_at=1.0,
    )
