"""The network as one ONNX file for any number of items, with what the machine that wrote it left out."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from compress_core.apply.model import Model
from compress_core.deliver.silence import quiet
from compress_core.deliver.some_items import few_items
from compress_core.deliver.traced import ExampleInputs, export_program
from compress_core.foundation.errors import Refused, shortened
from compress_core.network.shared_copy import shared_copy

ONNX_FILE = "model.onnx"
ITEMS = "N"  # the name of the first dimension of every input


def model_onnx(model: Model) -> bytes:
    """The network that is evaluated, as ONNX in 32 bits; raises Refused."""
    return onnx_bytes(model.network(), (few_items(model.subject),))


def onnx_bytes(network: nn.Module, inputs: ExampleInputs) -> bytes:
    """A network as ONNX, all weights inside; the same network gives the same bytes.

    inputs: at least two items of each. Raises Refused where torch's exporter cannot follow the network.
    """
    with torch.no_grad(), quiet():
        program = export_program(shared_copy(network), inputs)
        try:
            made = torch.onnx.export(program, dynamo=True, external_data=False, verbose=False)
        except Exception as error:
            raise Refused(
                "The network cannot be written as ONNX, because torch's exporter stops with {reason}: "
                "take the code and weights of source instead.",
                reason=shortened(str(error).strip().split("\n")[0]),
            ) from error
    assert made is not None, "the exporter answers with a program"
    return _serialized(_cleaned(made.model_proto))


def _cleaned(model: Any) -> Any:
    """Without paths of this machine and without names that count from run to run."""
    graph = model.graph
    for holder in (
        model,
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.initializer,
        *graph.value_info,
    ):
        holder.ClearField("metadata_props")
        holder.doc_string = ""
    graph.name = "network"
    names: dict[str, str] = {}
    for value in (*graph.input, *graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param:
                renamed = names.setdefault(
                    dimension.dim_param, ITEMS if not names else f"{ITEMS}_{len(names)}"
                )
                dimension.dim_param = renamed
    return model


def _serialized(model: Any) -> bytes:
    content: bytes = model.SerializeToString(deterministic=True)
    return content
