"""ONNX files made here, by hand and by exporters, and what two readers of them answer."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from compress_core.deliver.silence import quiet
from compress_core.loading.fitting_weights import loaded
from compress_core.loading.onnx_file.graph_network import graph_network
from compress_core.loading.onnx_file.runtime_child import RuntimeQuestion, answers_of
from compress_core.loading.onnx_file.runtime_difference import compared
from compress_core.loading.onnx_file.understanding import Description, read_network
from compress_core.loading.weights_file import SERVER_CAPS

Array = NDArray[Any]
CLOSE = 1e-5


def model(
    nodes: Sequence[onnx.NodeProto],
    shape: Sequence[int | str | None],
    consts: dict[str, Array] | None = None,
    *,
    opset: int = 18,
    out: str = "y",
    kind: int = TensorProto.FLOAT,
    made: int = TensorProto.FLOAT,
) -> bytes:
    """A file of some nodes from x to y."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        [helper.make_tensor_value_info(out, made, None)],
        [numpy_helper.from_array(values, name) for name, values in (consts or {}).items()],
    )
    imports = [helper.make_opsetid("", opset)]
    content: bytes = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
    return content


def one_node(
    operator: str, shape: Sequence[int | str], *consts: Array | None, opset: int = 18, **attributes: Any
) -> bytes:
    """A file of one node, which reads x and some constants; None leaves an input out."""
    named = {f"c{at}": values for at, values in enumerate(consts) if values is not None}
    read = ["x", *("" if values is None else f"c{at}" for at, values in enumerate(consts))]
    return model([helper.make_node(operator, read, ["y"], **attributes)], ("N", *shape), named, opset=opset)


def opened(content: bytes, item_shape: Sequence[int] | None = None) -> tuple[nn.Module, Description]:
    """The network of a file, as `load` builds it."""
    found = read_network(content, SERVER_CAPS, item_shape)
    state = {name: torch.from_numpy(np.array(values, order="C")) for name, values in found.state.items()}
    return loaded(graph_network(found.told), state, "network"), found


def in_runtime(content: bytes, *items: Tensor, at_once: int = 1000) -> Array:
    """What ONNX Runtime answers to items [N, ...] of each input."""
    output = onnx.load_from_string(content).graph.output[0].name
    return answers_of(
        onnxruntime, RuntimeQuestion(content, output, at_once, tuple(each.numpy() for each in items))
    )


def items_of(shape: Sequence[int], count: int = 3, *, seed: int = 1) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed)) * 2


def assert_answers_alike(content: bytes, items: Tensor, *, tolerance: float = CLOSE) -> nn.Module:
    """The opened network answers as the runtime does, all at once and one by one."""
    network, found = opened(content, tuple(items.shape[1:]))
    at_once = found.fixed or len(items)
    expected = in_runtime(content, items, at_once=at_once)
    with torch.no_grad():
        got = network(items.clone())
        alone = torch.cat([network(item[None].clone()) for item in items])
    for answer in (got, alone):
        seen = compared(answer.numpy(), expected)
        assert seen.share <= tolerance, f"{seen} of {network}"
        assert answer.dtype == torch.float32
    return network


def by_torch(network: nn.Module, items: Tensor, *, dynamo: bool = True, opset: int | None = None) -> bytes:
    """What torch's exporter writes, for any number of items; dynamo False is the older one."""
    buffer = io.BytesIO()
    with torch.no_grad(), quiet():
        if dynamo:
            batch = torch.export.Dim("batch")
            made = torch.onnx.export(
                network.eval(),
                (items,),
                dynamo=True,
                external_data=False,
                verbose=False,
                opset_version=opset,
                dynamic_shapes=({0: batch},),
            )
            assert made is not None
            content: bytes = made.model_proto.SerializeToString()
            return content
        torch.onnx.export(
            network.eval(),
            (items,),
            buffer,
            dynamo=False,
            opset_version=opset or 17,
            input_names=["x"],
            dynamic_axes={"x": {0: "N"}},
        )
    return buffer.getvalue()


@cache
def small_images() -> Tensor:
    return items_of((3, 8, 8), 4)
