"""ONNX in 32 bits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from compress_core.deliver.export_format import Written, export_format
from compress_core.foundation.texts import N_

if TYPE_CHECKING:
    from compress_core.apply.model import Model


@export_format(
    title=N_("ONNX, 32 bits"),
    what=N_("A list of operations with their weights, which programs in many languages can run."),
    needs=N_("ONNX Runtime or another program that reads ONNX"),
    ending="onnx",
    brief="32 bits",
    order=3,
)
def onnx(model: Model) -> Written:
    """The file, run in ONNX Runtime."""
    from compress_core.deliver.onnx_export import ONNX_FILE, model_onnx
    from compress_core.deliver.onnx_session import predictions_in_runtime
    from compress_core.network.living_memory import rows_at_once
    from compress_core.subject.split import BATCH

    content = model_onnx(model)
    fields = model.subject.input.fields
    rows = rows_at_once(model.network(), model.base.input.baseline, BATCH)
    kind = model.subject.answers
    run = partial(predictions_in_runtime, content, rows=rows, fields=fields, kind=kind)
    return Written({ONNX_FILE: content}, run)
