"""Every quantizer on one layer at the same number of bits: levels, error, true bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from compress_core.apply.context import items_behind
from compress_core.apply.model import CompressedLayer
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store, digest
from compress_core.measure.tables.deciding_steps import steps_for_weights
from compress_core.measure.tables.output_errors import error_of_output
from compress_core.recipe.edit import in_order, with_step
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.results import Quantized
from compress_core.techniques.contract.technique import Stage, techniques


@dataclass(frozen=True, eq=False)
class QuantizerRow:
    """What one quantizer makes of a layer; levels, bytes and errors are None where it was refused.

    levels: those of the first row, ascending; bytes of the layer as stored; error: share of the squared
    weights, over those that pruning left; output_error: against the layer as the base has it, so with what
    rank and pruning lost before.
    """

    technique: str
    levels: NDArray[np.float64] | None
    bytes: float | None
    error: float | None
    refused: Refused | None = None
    output_error: Number | None = None


def quantizer_rows(
    subject: Subject, recipe: ResolvedRecipe, layer: str, bits: int, store: Store
) -> tuple[QuantizerRow, ...]:
    """All quantizers with their other knobs as declared, the most exact first, refused ones last.

    subject: the one whose weights are treated; the layer's rank and pruning stay as the recipe has them.
    """
    names = list(subject.by_name)
    bare = in_order(with_step(steps_for_weights(recipe, names), [layer], Stage.QUANTIZE, None), names)
    quantizers = [name for name, method in techniques().items() if method.stage is Stage.QUANTIZE]
    steps = [_at(name, bits) for name in quantizers]

    def make() -> tuple[QuantizerRow, ...]:
        reference = compress(subject, bare, store).values(layer)
        rows = [_row(subject, bare, layer, step, reference, store) for step in steps]
        return tuple(sorted(rows, key=lambda row: (row.error is None, row.error)))

    measured = subject.splits.get("calibration")
    items = (*items_behind(subject, steps), "" if measured is None else measured.digest)
    key = digest("quantizers", subject.key, bare.sha, layer, bits, *items)
    return store.get(key, make)


def _at(name: str, bits: int) -> Step:
    has_bits = "bits" in techniques()[name].own_knobs
    return Step.of(name, **({"bits": bits} if has_bits else {}))


def _row(
    subject: Subject, bare: ResolvedRecipe, layer: str, step: Step, reference: Tensor, store: Store
) -> QuantizerRow:
    recipe = in_order(with_step(bare, [layer], Stage.QUANTIZE, step), list(subject.by_name))
    try:
        model = compress(subject, recipe, store)
    except Refused as refused:
        return QuantizerRow(step.technique, None, None, None, refused)
    compressed = model.compressed[layer]
    power = max(float(reference.double().square().sum()), np.finfo(np.float64).tiny)
    lost = float((compressed.values - reference).double().square().sum())
    return QuantizerRow(
        step.technique,
        _levels(compressed),
        compressed.bits.total / 8,
        lost / power,
        output_error=error_of_output(model, layer, store),
    )


def _levels(compressed: CompressedLayer) -> NDArray[np.float64]:
    quantized = compressed.encoded[0].quantized
    assert isinstance(quantized, Quantized)
    return np.sort(quantized.levels.levels().double().numpy())
