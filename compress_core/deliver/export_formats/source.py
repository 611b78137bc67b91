"""The network as Python, and its weights."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from compress_core.deliver.export_format import Written, export_format
from compress_core.foundation.texts import N_

if TYPE_CHECKING:
    from compress_core.apply.model import Model


@export_format(
    title=N_("Source and weights"),
    what=N_("The network as readable Python, and its weights at full length."),
    needs=N_("torch and safetensors, nothing of ours"),
    ending="zip",
    brief="model.py and weights, for torch",
    order=2,
)
def source(model: Model) -> Written:
    """Both files, and the network that is made from them."""
    from compress_core.deliver.onnx_session import predictions_in_torch
    from compress_core.deliver.python_source import CODE_FILE, WEIGHTS_FILE, model_source
    from compress_core.network.named_inputs import Border, with_border

    written = model_source(model)
    files = {CODE_FILE: written.code.encode(), WEIGHTS_FILE: written.weights}
    network = with_border(written.network(), Border(model.subject.input.fields))
    run = partial(predictions_in_torch, network, key="file", kind=model.subject.answers)
    return Written(files, run)
