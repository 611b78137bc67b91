"""ONNX Runtime on one thread of the processor, in 32 bits."""

from __future__ import annotations

from compress_core.deliver.onnx_export import model_onnx
from compress_core.deliver.onnx_session import OnnxSession
from compress_core.foundation.texts import N_
from compress_core.measure.speed.reasons import of_dense
from compress_core.measure.speed.runtime import BatchFunction, TimedModel, Who, runtime


@runtime(
    title=N_("ONNX Runtime"), base="onnxruntime", order=4, who=Who.BOTH, writes_file=True, reason=of_dense
)
def onnxruntime(side: TimedModel) -> BatchFunction:
    """The file that Deploy writes; raises Refused where none can be written or loaded."""
    model = side.model
    file: bytes = side.store.get(f"onnx:{model.key}", lambda: model_onnx(model), len)
    return OnnxSession(file, model.subject.input.fields).on_tensors
