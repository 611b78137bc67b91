"""ONNX Runtime on the processor, from the bytes of a file."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.errors import Refused
from compress_core.measure.runtimes.runnable import Runnable, Runtime, Whose

_ERRORS_ONLY = 3


def onnx_runtime(file: bytes, whose: Whose, *, int8: bool = False) -> Runnable:
    """An .onnx file with one input and its scores as first output, on one thread; raises Refused.

    int8 says that the file holds QDQ nodes; it only names the bar.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    try:
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - its errors have no common base
        reason = " ".join(str(error).split())[:200]
        raise Refused(
            "ONNX Runtime cannot load the file ({reason}): export the model again.", reason=reason
        ) from None
    given, scores = session.get_inputs()[0].name, session.get_outputs()[0].name

    def run(batch: Tensor) -> Tensor:
        outputs = session.run([scores], {given: batch.numpy()})
        return torch.from_numpy(outputs[0])

    return Runnable(Runtime.ONNX_INT8 if int8 else Runtime.ONNX, whose, run)
