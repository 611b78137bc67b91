"""ONNX Runtime on one thread of the processor, with the recipe's own codes of 8 bits or fewer."""

from __future__ import annotations

from compress_core.deliver.int8_export import model_qdq, whole_numbers
from compress_core.deliver.onnx_session import OnnxSession
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.speed.facts import Facts
from compress_core.measure.speed.reasons import surely_faster
from compress_core.measure.speed.runtime import BatchFunction, TimedModel, Who, runtime


def _reason(ratio: Number, _batch: int, facts: Facts) -> str:
    if not facts.whole_layers:
        return N_("No layer has both codes and a rounded input: codes are decoded to 32 bits before use.")
    if surely_faster(ratio):
        return N_("Bytes are multiplied in place of 32-bit numbers.")
    return N_(
        "Not faster: rounding inputs and outputs costs what multiplying bytes saves in layers this small."
    )


@runtime(
    title=N_("ONNX Runtime, int8"),
    base="onnxruntime",
    order=5,
    who=Who.COMPRESSED,
    writes_file=True,
    reason=_reason,
)
def onnxruntime_int8(side: TimedModel) -> BatchFunction:
    """The file with codes; raises Refused where no weight has any, or it cannot be written or loaded."""
    model = side.model
    encoded = (c for compressed in model.compressed.values() for _, c in compressed.parts)
    if all(isinstance(whole_numbers(c), str) for c in encoded):
        raise Refused("No layer's weights are whole numbers: add a quantizer with a grid, such as uniform.")
    file = side.store.get(f"qdq:{model.key}", lambda: model_qdq(model), lambda qdq: len(qdq.content))
    return OnnxSession(file.content, model.subject.input.fields).on_tensors
