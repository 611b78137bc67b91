"""ONNX with the recipe's own codes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from compress_core.deliver.export_format import Written, export_format
from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.deliver.int8_export import Qdq


@export_format(
    title=N_("ONNX, whole numbers"),
    what=N_("The same with the recipe's own codes of 8 bits or fewer in place of 32-bit weights."),
    needs=N_("ONNX Runtime; time is saved only where inputs are rounded too"),
    ending="int8.onnx",
    brief="ONNX, the recipe's codes",
    order=4,
)
def int8(model: Model) -> Written:
    """The file, run in ONNX Runtime; refused before anything is written where no weight has codes."""
    from compress_core.deliver.int8_export import INT8_FILE
    from compress_core.deliver.onnx_session import predictions_in_runtime
    from compress_core.network.living_memory import rows_at_once
    from compress_core.subject.split import BATCH

    found = _with_codes(model)
    rows = rows_at_once(model.network(), model.base.input.baseline, BATCH)
    fields, kind = model.subject.input.fields, model.subject.answers
    run = partial(predictions_in_runtime, found.content, rows=rows, fields=fields, kind=kind)
    return Written({INT8_FILE: found.content}, run, found.left)


def _with_codes(model: Model) -> Qdq:
    from compress_core.deliver.int8_export import model_qdq, whole_numbers

    parts = (part for compressed in model.compressed.values() for part in compressed.parts)
    held = {layer.name: whole_numbers(encoded) for layer, encoded in parts}
    left = {name: why for name, why in held.items() if isinstance(why, str)}
    made = None if len(left) == len(held) else model_qdq(model)
    if made is not None and made.weights:
        return made
    reasons = sorted({str(reason) for reason in (left if made is None else made.left).values()})
    raise Refused(
        "No weight of {model} has codes that ONNX can hold ({reasons}): quantize with uniform or affine.",
        model=model.subject.title,
        reasons="; ".join(reasons) or N_("nothing is quantized"),
    )
