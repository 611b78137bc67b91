"""Whole numbers in ONNX Runtime where rows are empty, dead or tiny beside their bias."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor
from torch.nn import functional as F

from compress_core.deliver.int8_export import Qdq, qdq
from compress_core.deliver.whole_numbers import LARGEST_SUM, RoundedUse, WholeNumbers
from compress_core.levels.grid import symmetric_grid
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.input_rules import StaticGrid
from compress_core.techniques.contract.results import Quantized

GRID = StaticGrid(0.02, 131, 8)
IN, OUT = 8, 5
KINDS = ("Gemm", "MatMul", "Conv", "ConvTranspose")
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
ROWS = {"empty": 0.0, "denormal": 1e-39, "dead": 1e-20, "between": 3e-7, "small": 1e-4}


def _encoded(row: float) -> EncodedWeight:
    """8 bits for each row; the second is scaled down, the others are ordinary."""
    weight = torch.randn(OUT, IN, generator=torch.Generator().manual_seed(1))
    weight[1] *= row
    return EncodedWeight(weight, None, Quantized(symmetric_grid(weight.abs().amax(1, keepdim=True), 8)))


def _inputs(kind: str) -> Tensor:
    shape = {"Gemm": (6, IN), "MatMul": (6, IN)}.get(kind, (6, IN, 4, 4))
    return torch.randn(shape, generator=torch.Generator().manual_seed(2))


def _expected(kind: str, values: Tensor, bias: Tensor, given: Tensor) -> Tensor:
    kernel = values[:, :, None, None]
    match kind:
        case "Conv":
            return F.conv2d(GRID(given), kernel, bias)
        case "ConvTranspose":
            return F.conv_transpose2d(GRID(given), kernel.transpose(0, 1), bias)
        case _:
            return F.linear(GRID(given), values, bias)


def _file(kind: str, values: NDArray[np.float32], bias: NDArray[np.float32], given: Tensor) -> bytes:
    """The layer in 32 bits, its output rounded behind it as the next layer would."""
    turned = {"Gemm": values, "MatMul": values.T, "Conv": values[:, :, None, None]}
    weight = turned.get(kind, values.T[:, :, None, None])
    form = {"transB": 1} if kind == "Gemm" else {}
    read = ["x", "w"] if kind == "MatMul" else ["x", "w", "b"]
    nodes = [helper.make_node(kind, read, ["product" if kind == "MatMul" else "y"], **form)]
    if kind == "MatMul":
        nodes.append(helper.make_node("Add", ["product", "b"], ["y"]))
    tensors = {"w": weight, "b": bias, "step": np.float32(0.05), "zero": np.uint8(128)}
    nodes.append(helper.make_node("QuantizeLinear", ["y", "step", "zero"], ["codes"]))
    nodes.append(helper.make_node("DequantizeLinear", ["codes", "step", "zero"], ["out"]))
    return _graph(nodes, tensors, given)


def _graph(nodes: list[onnx.NodeProto], tensors: dict[str, NDArray[np.generic]], given: Tensor) -> bytes:
    made = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in tensors.items()]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
        for name, shape in (("x", given.shape[1:]), ("out", [f"out{axis}" for axis in given.shape[1:]]))
    ]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def _made(kind: str, encoded: EncodedWeight, bias: Tensor) -> Qdq:
    content = _file(kind, encoded.values.numpy(), bias.numpy(), _inputs(kind))
    return qdq(content, {"w": encoded}, {"w": GRID})


def _answers(content: bytes, given: Tensor, level: str) -> Tensor:
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"x": given.numpy()})[0])


BIAS = torch.tensor([1.0, 0.7, -0.3, 2.0, 0.0])


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_any_size_answers_as_evaluated_at_every_optimization(kind: str, row: str) -> None:
    encoded, given = _encoded(ROWS[row]), _inputs(kind)
    made = _made(kind, encoded, BIAS)
    assert made.inputs == ("w",)
    expected = _expected(kind, encoded.values, BIAS, given).clamp(-128 * 0.05, 127 * 0.05)
    for level in LEVELS:
        assert (_answers(made.content, given, level) - expected).abs().max() < 0.6 * 0.05


@pytest.mark.parametrize("bias", [-3e4, 1e-30, 1e7])
@pytest.mark.parametrize("kind", KINDS)
def test_a_bias_of_any_size_stays_what_it_is_beside_an_empty_row(kind: str, bias: float) -> None:
    encoded, given, biases = _encoded(0.0), _inputs(kind), BIAS.clone()
    biases[1] = bias
    made = _made(kind, encoded, biases)
    expected = _expected(kind, encoded.values, biases, given).clamp(-128 * 0.05, 127 * 0.05)
    for level in LEVELS:
        assert (_answers(made.content, given, level) - expected).abs().max() < 0.6 * 0.05


def test_codes_of_a_row_that_counts_stay_those_of_the_recipe() -> None:
    encoded = _encoded(ROWS["between"])
    graph = onnx.load_from_string(_made("Gemm", encoded, BIAS).content).graph
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert np.array_equal(found["w.codes"].astype(int) - 128, encoded.codes.numpy())
    assert np.array_equal(found["w.scale"], encoded.quantized.levels.scale.reshape(-1).numpy())


def test_a_dead_row_costs_a_convolution_nothing() -> None:
    nodes = onnx.load_from_string(_made("Conv", _encoded(ROWS["dead"]), BIAS).content).graph.node
    assert "Sub" not in {node.op_type for node in nodes}


def test_an_empty_row_keeps_its_bias_to_the_last_digit() -> None:
    numbers = WholeNumbers(np.full((1, 4), 7, np.uint8), np.float32([1e-38]), np.uint8([7]))
    use = RoundedUse(GRID, np.float32([0.7]))
    made = numbers.with_room_for([use])
    codes = made.bias_codes(use)
    assert numbers.bias_codes(use) is None
    assert codes is not None
    assert abs(codes * made.steps(use) - 0.7) < 1e-7


def test_two_uses_with_other_biases_share_the_scale_of_an_empty_row() -> None:
    numbers = WholeNumbers(np.zeros((1, 4), np.uint8), np.float32([1e-38]), np.uint8([0]))
    uses = [RoundedUse(StaticGrid(scale, 0, 8), np.float32([0.7])) for scale in (1e-3, 2.0)]
    made = numbers.with_room_for(uses)
    for use in uses:
        codes = made.bias_codes(use)
        assert codes is not None
        assert abs(codes * made.steps(use) - 0.7) < 1e-6


@pytest.mark.parametrize(("width", "inputs"), [(60_000, ("w",)), (70_000, ())])
def test_a_sum_past_the_end_of_32_bits_is_not_given_to_a_kernel(width: int, inputs: tuple[str, ...]) -> None:
    encoded = EncodedWeight(torch.ones(1, width), None, Quantized(symmetric_grid(torch.ones(1, 1), 8)))
    content = _file("Gemm", encoded.values.numpy(), np.zeros(1, np.float32), torch.zeros(2, width))
    assert (127 * 255 * width > LARGEST_SUM) == (not inputs)
    assert qdq(content, {"w": encoded}, {"w": StaticGrid(1.0, 0, 8)}).inputs == inputs


def test_a_rounding_that_two_layers_share_stands_before_both() -> None:
    """The layer that is written first may come later in the graph."""
    first, second = _encoded(1.0), _encoded(0.5)
    values = {"late": first.values.numpy(), "early": second.values.numpy()}
    nodes = [helper.make_node("Gemm", ["x", name], [f"{name}.y"], transB=1) for name in ("early", "late")]
    nodes.append(helper.make_node("Add", ["early.y", "late.y"], ["out"]))
    given = _inputs("Gemm")
    encoded = {"late": first, "early": second}
    found = qdq(_graph(nodes, values, given), encoded, dict.fromkeys(encoded, GRID))
    expected = F.linear(GRID(given), first.values) + F.linear(GRID(given), second.values)
    assert (_answers(found.content, given, LEVELS[-1]) - expected).abs().max() < 1e-4
