"""The network as one ONNX file for any number of items, with what the machine that wrote it left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from compress_core.apply.model import Model
from compress_core.deliver.input_preprocessing import preprocessing_as_metadata
from compress_core.deliver.onnx_nodes import graphs_below
from compress_core.deliver.onnx_session import OnnxSession
from compress_core.deliver.open_border import PREFIX, opened
from compress_core.deliver.own_files import METADATA, ONNX_NOTE
from compress_core.deliver.parity import refuse_other_answers
from compress_core.deliver.silence import quiet
from compress_core.deliver.some_items import few_items
from compress_core.deliver.traced import ExampleInputs, export_program
from compress_core.foundation.errors import Refused, shortened
from compress_core.network.forward import tensors_in
from compress_core.network.layers.cut import attention_names, open_attention
from compress_core.network.shared_copy import shared_copy

ONNX_FILE = "model.onnx"
_NOTHING: Mapping[str, str] = MappingProxyType({})
ITEMS = "N"  # the name of the first dimension of every input


def model_onnx(model: Model) -> bytes:
    """The network that is evaluated, as ONNX in 32 bits; raises Refused."""
    written = opened(model.network(), few_items(model.subject))
    about = preprocessing_as_metadata(model.subject)
    return onnx_bytes(
        written.network, written.inputs, written.names, is_rounded=bool(model.inputs), about=about
    )


def onnx_bytes(
    network: nn.Module,
    inputs: ExampleInputs,
    names: Sequence[str] = (),
    *,
    is_rounded: bool = False,
    about: Mapping[str, str] = _NOTHING,
) -> bytes:
    """A network as ONNX, all weights inside; the same network gives the same bytes.

    inputs: at least two items of each; names: how the file calls them; is_rounded: the network rounds inputs
    of its layers; about: what its metadata say. Raises Refused where torch's exporter cannot follow the
    network, or where ONNX Runtime answers differently.
    """
    with torch.no_grad(), quiet():
        program = export_program(_with_open_attention(network), inputs)
        try:
            made = torch.onnx.export(program, dynamo=True, external_data=False, verbose=False)
        except Exception as error:
            raise Refused(
                "The network cannot be written as ONNX, because torch's exporter stops with {reason}: "
                "take the code and weights of source instead.",
                reason=shortened(str(error).strip().split("\n")[0]),
            ) from error
    assert made is not None, "the exporter answers with a program"
    content = _serialized(_cleaned(made.model_proto, names, about))
    refuse_other_network(network, content, inputs, is_rounded=is_rounded)
    return content


def refuse_other_network(
    network: nn.Module, content: bytes, inputs: ExampleInputs, *, is_rounded: bool
) -> None:
    """Run a file beside its network on a few items, in ONNX Runtime as it is used.

    Raises Refused where any output differs by more than rounding.
    """
    with torch.no_grad(), quiet():
        expected = list(tensors_in(network(*(each.clone() for each in inputs))))
    got = OnnxSession(content).outputs(*(each.numpy() for each in inputs))
    for one, other in zip(expected, got, strict=False):
        refuse_other_answers(one.double().numpy(), other, is_rounded=is_rounded)


def _with_open_attention(network: nn.Module) -> nn.Module:
    """A copy that calls attention by its parts: the exporter's gives NaN where nothing may be seen."""
    skeleton = shared_copy(network)
    for name in attention_names(skeleton):
        with suppress(Refused):  # the rarer variants are written as torch's exporter knows them
            open_attention(skeleton, (name,))
    return skeleton


def _cleaned(model: Any, called: Sequence[str], about: Mapping[str, str]) -> Any:
    """Without paths of this machine and names that count from run to run; inputs under their own names."""
    graph = model.graph
    if called:
        _rename(graph, {given.name: name for given, name in zip(graph.input, called, strict=True)})
        inside = [held.name for held in graph.initializer if held.name.startswith(PREFIX)]
        _rename(graph, {name: name.removeprefix(PREFIX) for name in inside})
    model.ClearField("metadata_props")
    model.doc_string = ""
    for inside in (graph, *graphs_below(graph)):
        _without_notes(inside)
    graph.name = "network"
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    model.metadata_props.add(key=METADATA, value=ONNX_NOTE)  # the last: by it a file is known as ours
    names: dict[str, str] = {}
    for value in (*graph.input, *graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param:
                renamed = names.setdefault(
                    dimension.dim_param, ITEMS if not names else f"{ITEMS}_{len(names)}"
                )
                dimension.dim_param = renamed
    return model


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    """Give values of a graph other names, in it and in all graphs inside of it."""
    for part in (graph, *graphs_below(graph)):
        for value in (*part.input, *part.output, *part.initializer, *part.value_info):
            value.name = names.get(value.name, value.name)
        for node in part.node:
            for held in (node.input, node.output):
                held[:] = [names.get(name, name) for name in held]


def _without_notes(graph: Any) -> None:
    for holder in (
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.initializer,
        *graph.value_info,
    ):
        holder.ClearField("metadata_props")
        holder.doc_string = ""


def _serialized(model: Any) -> bytes:
    content: bytes = model.SerializeToString(deterministic=True)
    return content
