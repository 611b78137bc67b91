# ruff: noqa: E501 - a table is read by its rows
"""Each operator of an ONNX file in its corners: answered as ONNX Runtime does, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from compress_core.foundation.errors import Refused
from tests.onnx_files import assert_answers_alike, items_of, model, one_node, opened

F32 = np.float32


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(F32)


def whole(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def scalar(value: float) -> np.ndarray:
    return np.array(value, dtype=F32)


IMAGE = (4, 9, 7)
CASES: dict[str, tuple[bytes, tuple[int, ...]]] = {}


def case(name: str, shape: tuple[int, ...], operator: str, *consts: np.ndarray | None, **given: Any) -> None:
    CASES[name] = one_node(operator, shape, *consts, **given), shape


KERNEL = drawn(6, 4, 3, 3)
case("conv", IMAGE, "Conv", KERNEL)
case("conv bias", IMAGE, "Conv", KERNEL, drawn(6), pads=[1, 1, 1, 1], strides=[2, 1])
case("conv dilated", IMAGE, "Conv", KERNEL, dilations=[2, 2], kernel_shape=[3, 3])
case("conv uneven", IMAGE, "Conv", KERNEL, pads=[0, 1, 2, 0])
case("conv same upper", IMAGE, "Conv", KERNEL, auto_pad="SAME_UPPER", strides=[2, 2])
case("conv same lower", IMAGE, "Conv", KERNEL, auto_pad="SAME_LOWER", strides=[2, 2])
case("conv same upper odd", IMAGE, "Conv", drawn(6, 4, 2, 4), auto_pad="SAME_UPPER")
case("conv same lower odd", IMAGE, "Conv", drawn(6, 4, 2, 4), auto_pad="SAME_LOWER")
case("conv valid", IMAGE, "Conv", KERNEL, auto_pad="VALID")
case("conv groups", IMAGE, "Conv", drawn(6, 2, 3, 3), group=2)
case("conv depthwise", IMAGE, "Conv", drawn(8, 1, 3, 3), group=4)
case("conv 1d", (4, 9), "Conv", drawn(5, 4, 3), drawn(5), pads=[1, 1])
case("conv 3d", (2, 4, 5, 6), "Conv", drawn(3, 2, 2, 3, 2), pads=[1, 0, 1, 0, 1, 0])
case("transposed", IMAGE, "ConvTranspose", drawn(4, 3, 3, 3), drawn(3), strides=[2, 2])
case(
    "transposed padded",
    IMAGE,
    "ConvTranspose",
    drawn(4, 3, 3, 3),
    strides=[2, 2],
    pads=[1, 1, 1, 1],
    output_padding=[1, 1],
)
case("transposed uneven", IMAGE, "ConvTranspose", drawn(4, 3, 3, 3), strides=[2, 2], pads=[1, 1, 0, 0])
case("transposed groups", IMAGE, "ConvTranspose", drawn(4, 3, 3, 3), group=2, dilations=[2, 1])
case("gemm", (5,), "Gemm", drawn(5, 3), drawn(3))
case("gemm turned", (5,), "Gemm", drawn(3, 5), drawn(3), transB=1)
case("gemm scaled", (5,), "Gemm", drawn(3, 5), drawn(1, 3), transB=1, alpha=0.5, beta=2.0)
case("gemm one bias", (5,), "Gemm", drawn(5, 3), scalar(2.5))
case("gemm no bias", (5,), "Gemm", drawn(5, 3))
case("matmul", (5,), "MatMul", drawn(5, 3))
case("matmul tokens", (6, 5), "MatMul", drawn(5, 3))
case("matmul stacked", (2, 6, 5), "MatMul", drawn(2, 5, 3))
case("batch norm", IMAGE, "BatchNormalization", drawn(4), drawn(4), drawn(4), np.abs(drawn(4)) + 0.1)
case(
    "batch norm table",
    (4,),
    "BatchNormalization",
    drawn(4),
    drawn(4),
    drawn(4),
    np.abs(drawn(4)) + 0.1,
    epsilon=0.01,
)
case(
    "batch norm signal",
    (4, 5),
    "BatchNormalization",
    drawn(4),
    drawn(4),
    drawn(4),
    np.abs(drawn(4)),
    momentum=0.5,
)
case(
    "batch norm 9", IMAGE, "BatchNormalization", drawn(4), drawn(4), drawn(4), np.abs(drawn(4)) + 0.1, opset=9
)
case("instance norm", IMAGE, "InstanceNormalization", drawn(4), drawn(4), epsilon=1e-3)
case("layer norm", (6, 5), "LayerNormalization", drawn(5), drawn(5))
case("layer norm no bias", (6, 5), "LayerNormalization", drawn(5), epsilon=1e-3)
case("layer norm two axes", (6, 5), "LayerNormalization", drawn(6, 5), drawn(6, 5), axis=1)
case("group norm", IMAGE, "GroupNormalization", drawn(4), drawn(4), num_groups=2, opset=21)
case("rms norm", (6, 5), "RMSNormalization", drawn(5), opset=23)
case("lrn", IMAGE, "LRN", size=3, alpha=0.1, beta=0.5, bias=2.0)
for _kind in (
    "Relu",
    "Sigmoid",
    "Tanh",
    "HardSwish",
    "Softplus",
    "Softsign",
    "Mish",
    "Selu",
    "Erf",
    "Exp",
    "Neg",
    "Abs",
    "Floor",
    "Ceil",
    "Round",
    "Sign",
    "Sin",
    "Cos",
    "Reciprocal",
):
    case(_kind.lower(), (5, 6), _kind)
case("leaky", (5, 6), "LeakyRelu")
case("leaky slope", (5, 6), "LeakyRelu", alpha=0.3)
case("elu", (5, 6), "Elu", alpha=0.7)
case("celu", (5, 6), "Celu", alpha=0.7)
case("gelu", (5, 6), "Gelu", opset=20)
case("gelu tanh", (5, 6), "Gelu", opset=20, approximate="tanh")
case("hard sigmoid", (5, 6), "HardSigmoid")
case("hard sigmoid of torch", (5, 6), "HardSigmoid", alpha=1 / 6)
case("clip 6", (5, 6), "Clip", scalar(0), scalar(6))
case("clip", (5, 6), "Clip", scalar(-0.5), scalar(0.25))
case("clip above", (5, 6), "Clip", None, scalar(0.25))
case("clip below", (5, 6), "Clip", scalar(-0.25))
case("clip crossed", (5, 6), "Clip", scalar(0.5), scalar(-0.5))
case("clip 9", (5, 6), "Clip", opset=9, min=-0.5, max=0.5)
case("clip 9 open", (5, 6), "Clip", opset=9, min=0.0)
case("prelu one", IMAGE, "PRelu", drawn(1))
case("prelu channels", IMAGE, "PRelu", drawn(4, 1, 1))
case("softmax", (5, 6), "Softmax")
case("softmax axis", (5, 6), "Softmax", axis=1)
case("softmax 11", (5, 6), "Softmax", opset=11)
case("softmax 11 last", (5, 6), "Softmax", opset=11, axis=2)
case("log softmax", (5, 6), "LogSoftmax", axis=-1)
case("log softmax 9", (5, 6), "LogSoftmax", axis=1, opset=9)
case("max pool", IMAGE, "MaxPool", kernel_shape=[3, 2], strides=[2, 2])
case("max pool padded", IMAGE, "MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
case("max pool uneven", IMAGE, "MaxPool", kernel_shape=[3, 3], pads=[0, 0, 1, 1], strides=[2, 2])
case("max pool dilated", IMAGE, "MaxPool", kernel_shape=[3, 3], dilations=[2, 2])
case("max pool up", (4, 8, 8), "MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
case("max pool same", IMAGE, "MaxPool", kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER")
case("max pool 1d", (4, 9), "MaxPool", kernel_shape=[2])
case("average pool", IMAGE, "AveragePool", kernel_shape=[3, 2], strides=[2, 2])
case("average pool padded", IMAGE, "AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
case(
    "average pool counted", IMAGE, "AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1
)
case("average pool uneven", IMAGE, "AveragePool", kernel_shape=[3, 3], pads=[0, 0, 1, 1], strides=[2, 2])
case(
    "average pool uneven counted",
    IMAGE,
    "AveragePool",
    kernel_shape=[3, 3],
    pads=[0, 0, 1, 1],
    count_include_pad=1,
)
case("average pool same", IMAGE, "AveragePool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER")
case("average pool up", (4, 8, 8), "AveragePool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
case(
    "average pool even ceil",
    (4, 9, 9),
    "AveragePool",
    kernel_shape=[3, 3],
    strides=[2, 2],
    ceil_mode=1,
    count_include_pad=1,
)
case("global average", IMAGE, "GlobalAveragePool")
case("global max", IMAGE, "GlobalMaxPool")
for _kind in (
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL2",
    "ReduceL1",
    "ReduceSumSquare",
):
    case(f"{_kind} axes", IMAGE, _kind, whole(2, 3))
    case(f"{_kind} attribute", IMAGE, _kind, axes=[-1], keepdims=0, opset=13)
case("sum axes", IMAGE, "ReduceSum", whole(1), keepdims=0)
case("sum attribute", IMAGE, "ReduceSum", axes=[1, 2], opset=11)
case("mean of nothing", IMAGE, "ReduceMean", noop_with_empty_axes=1)
for _kind in ("Add", "Sub", "Mul", "Div"):
    case(f"{_kind} one", (5, 6), _kind, scalar(1.7))
    case(f"{_kind} row", (5, 6), _kind, drawn(6) + 4)
    case(f"{_kind} column", (5, 6), _kind, drawn(5, 1) + 4)
case("pow", (5, 6), "Pow", scalar(2))
case("pow whole", (5, 6), "Pow", whole(3))
case("min", (5, 6), "Min", drawn(6), scalar(0.1))
case("max", (5, 6), "Max", drawn(5, 6))
case("sum", (5, 6), "Sum", drawn(6), drawn(5, 1))
case("reshape", IMAGE, "Reshape", whole(0, -1))
case("reshape free", IMAGE, "Reshape", whole(-1, 4 * 63))
case("reshape split", (6, 8), "Reshape", whole(0, 0, 2, 4))
case("reshape joined", (6, 8), "Reshape", whole(-1, 12, 4))
case("reshape channels", IMAGE, "Reshape", whole(0, 2, 2, 9, 7))
case("flatten", IMAGE, "Flatten")
case("flatten 2", IMAGE, "Flatten", axis=1, opset=9)
case("squeeze", (4, 1, 1), "Squeeze", whole(2, 3))
case("squeeze all", (4, 1, 1), "Squeeze")
case("squeeze 11", (4, 1, 1), "Squeeze", axes=[-1], opset=11)
case("unsqueeze", (4, 5), "Unsqueeze", whole(1, -1))
case("unsqueeze 11", (4, 5), "Unsqueeze", axes=[2], opset=11)
case("transpose", IMAGE, "Transpose", perm=[0, 2, 3, 1])
case("expand", (4, 1), "Expand", whole(1, 4, 5))
case("tile", (4, 5), "Tile", whole(1, 2, 3))
case("slice", IMAGE, "Slice", whole(1), whole(3), whole(1))
case("slice far", IMAGE, "Slice", whole(0, -3), whole(2**62, 2**31), whole(0, 3), whole(1, 2))
case("slice 9", IMAGE, "Slice", starts=[0, 2], ends=[3, -1], axes=[1, 2], opset=9)
case("slice all", (5, 6), "Slice", whole(0, 1, 0), whole(2**31 - 1, 4, 3))
case("gather one", (5, 6), "Gather", np.array(-1, dtype=np.int64), axis=1)
case("gather some", (5, 6), "Gather", whole(3, 0, 3), axis=2)
case("pad", IMAGE, "Pad", whole(0, 0, 1, 2, 0, 0, 0, 1))
case("pad value", IMAGE, "Pad", whole(0, 1, 0, 0, 0, 0, 0, 1), scalar(1.5))
case("pad negative", IMAGE, "Pad", whole(0, 0, -1, 0, 0, 0, 2, 0))
case("pad reflect", IMAGE, "Pad", whole(0, 0, 2, 1, 0, 0, 0, 3), mode="reflect")
case("pad edge", IMAGE, "Pad", whole(0, 0, 2, 1, 0, 0, 0, 3), mode="edge")
case("pad 9", IMAGE, "Pad", opset=9, pads=[0, 0, 1, 0, 0, 0, 0, 2], value=2.0)
case("pad axes", IMAGE, "Pad", whole(1, 2), None, whole(3))
case("cumsum", (5, 6), "CumSum", np.array(-1, np.int64))
case("cast", (5,), "Cast", to=TensorProto.FLOAT)
case("identity", (5,), "Identity")
case("dropout", (5,), "Dropout")
case("dropout 9", (5,), "Dropout", ratio=0.3, opset=9)
case("depth to space", (8, 3, 3), "DepthToSpace", blocksize=2, mode="CRD")
NEAREST = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
case("resize", IMAGE, "Resize", None, np.array([1, 1, 2, 3], F32), **NEAREST)
case("resize usual", IMAGE, "Resize", None, np.array([1, 1, 2, 3], F32))
case("resize down", (4, 9, 8), "Resize", None, np.array([1, 1, 1, 0.5], F32), **NEAREST)
case("resize linear", IMAGE, "Resize", None, np.array([1, 1, 2, 2], F32), mode="linear")
case(
    "resize corners",
    IMAGE,
    "Resize",
    None,
    np.array([1, 1, 2, 2], F32),
    mode="linear",
    coordinate_transformation_mode="align_corners",
)
case(
    "resize linear down",
    (4, 9, 8),
    "Resize",
    None,
    np.array([1, 1, 1, 0.5], F32),
    mode="linear",
    coordinate_transformation_mode="pytorch_half_pixel",
)
case("resize cubic", IMAGE, "Resize", None, np.array([1, 1, 2, 2], F32), mode="cubic")


@pytest.mark.parametrize("name", CASES)
def test_an_operator_answers_as_onnx_runtime_does(name: str) -> None:
    content, shape = CASES[name]
    assert_answers_alike(content, items_of(shape))


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "unknown": (lambda: one_node("Det", (3, 3)), "Det"),
    "custom": (lambda: model([helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft", name="act")], ("N", 3)), r"com\.microsoft\.Gelu \('act'\)"),
    "tree": (lambda: model([helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml")], ("N", 3)), r"ai\.onnx\.ml\.Scaler"),
    "training norm": (lambda: one_node("BatchNormalization", (4,), drawn(4), drawn(4), drawn(4), np.abs(drawn(4)), training_mode=1), "training_mode is 1"),
    "group norm of groups": (lambda: one_node("GroupNormalization", IMAGE, drawn(2), drawn(2), num_groups=2), "before version 21"),
    "mean over items": (lambda: one_node("ReduceMean", (4,), whole(0)), "mixes the items"),
    "softmax over items": (lambda: one_node("Softmax", (4,), axis=0), "mixes the items"),
    "turned to the front": (lambda: one_node("Softmax", (4,), opset=11, axis=0), "mixes the items"),
    "items of a batch": (lambda: one_node("Reshape", IMAGE, whole(4, 252)), "one number of items"),
    "pool dilated": (lambda: one_node("AveragePool", IMAGE, kernel_shape=[2, 2], dilations=[2, 2], opset=19), "dilations"),
    "pool counted up": (lambda: one_node("AveragePool", (4, 9, 9), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, count_include_pad=1, pads=[1, 1, 0, 0]), "ceil_mode"),
    "pool by columns": (lambda: one_node("MaxPool", IMAGE, kernel_shape=[2, 2], storage_order=1), "storage_order"),
    "resize of tensorflow": (lambda: one_node("Resize", IMAGE, None, np.array([1, 1, 2, 2], F32), mode="linear", coordinate_transformation_mode="asymmetric"), "coordinate_transformation_mode"),
    "resize smoothed": (lambda: one_node("Resize", (4, 8, 8), None, np.array([1, 1, 0.5, 0.5], F32), mode="linear", antialias=1), "antialias"),
    "depth in the other order": (lambda: one_node("DepthToSpace", (8, 3, 3), blocksize=2), "mode"),
    "unknown attribute": (lambda: one_node("Relu", (3,), slope=3), "slope"),
    "gelu of another kind": (lambda: one_node("Gelu", (3,), opset=20, approximate="sigmoid"), "approximate is sigmoid"),
    "in half": (lambda: one_node("Cast", (3,), to=TensorProto.FLOAT16), "float16"),
    "beyond the end": (lambda: one_node("Gather", (3,), whole(7), axis=1), "beyond the end"),
    "lrn of even size": (lambda: one_node("LRN", IMAGE, size=4), "size is 4"),
    "backwards": (lambda: one_node("Slice", (5,), whole(-1), whole(-99), whole(1), whole(-1)), "steps of -1"),
    "dropout in training": (lambda: one_node("Dropout", (5,), scalar(0.5), np.array(True)), "training"),
    "channels that are not there": (lambda: one_node("Conv", (3, 9, 7), KERNEL), "3 channels"),
    "no reshape": (lambda: one_node("Reshape", (5,), whole(0, 4)), r"makes the shape \[N, 4\] of \[N, 5\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_honored_is_refused_by_its_name(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(Refused, match=words):
        opened(make())


def test_all_operators_that_are_unknown_are_named_with_their_places() -> None:
    nodes = [
        helper.make_node("Det", ["x"], ["a"], name="first"),
        helper.make_node("NonZero", ["a"], ["b"], name="second"),
        helper.make_node("Det", ["b"], ["y"], name="third"),
    ]
    with pytest.raises(Refused, match=r"Det \('first', 'third'\), NonZero \('second'\)"):
        opened(model(nodes, ("N", 3, 3)))


def test_weights_in_whole_numbers_become_what_they_stand_for() -> None:
    codes = np.random.default_rng(0).integers(-128, 128, (3, 5)).astype(np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["W"], axis=0),
        helper.make_node("Gemm", ["x", "W"], ["y"], transB=1),
    ]
    consts = {"w": codes, "s": np.array([0.1, 0.2, 0.05], F32), "z": np.array([1, -2, 0], np.int8)}
    content = model(nodes, ("N", 5), consts)
    network = assert_answers_alike(content, items_of((5,)))
    (weight,) = (p for n, p in network.named_parameters() if n.endswith("weight"))
    expected = (codes.astype(F32) - consts["z"][:, None].astype(F32)) * consts["s"][:, None]
    assert np.array_equal(weight.detach().numpy(), expected)
    assert opened(content)[1].from_codes == ("w",)


@pytest.mark.parametrize(("kind", "zero"), [(np.uint8, 3), (np.int8, -5), (np.uint16, 7), (np.int16, 0)])
def test_rounded_values_are_those_of_onnx_to_the_last_bit(kind: type, zero: int) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    content = model(nodes, ("N", 1000), {"s": scalar(0.25), "z": np.array(zero, kind)}, opset=21)
    halves = torch.arange(-500, 500).float()[None] * 0.125  # every second lies between two codes
    network, _ = opened(content)
    from tests.onnx_files import in_runtime

    assert np.array_equal(network(halves).numpy(), in_runtime(content, halves))
    assert np.array_equal(
        network(items_of((1000,)) * 30).numpy(), in_runtime(content, items_of((1000,)) * 30)
    )


def test_codes_are_read_by_nothing_but_what_turns_them_back() -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("Cast", ["q"], ["y"], to=TensorProto.FLOAT),
    ]
    with pytest.raises(Refused, match="codes before they are turned back"):
        opened(model(nodes, ("N", 4), {"s": scalar(0.5), "z": np.array(0, np.uint8)}))


def test_a_file_for_one_item_answers_for_any_number_of_them() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Reshape", ["a", "s"], ["b"]),
        helper.make_node("Concat", ["b", "k"], ["c"], axis=1),
        helper.make_node("Reshape", ["c", "t"], ["d"]),
        helper.make_node("MatMul", ["d", "m"], ["e"]),
        helper.make_node("Reshape", ["e", "u"], ["y"]),
    ]
    consts = {
        "w": drawn(6, 4, 3, 3),
        "s": whole(1, 6, 35),
        "k": drawn(1, 1, 35),
        "t": whole(7, 35),
        "m": drawn(35, 2),
        "u": whole(1, 14),
    }
    assert_answers_alike(model(nodes, (1, *IMAGE), consts), items_of(IMAGE))


def test_sizes_are_reckoned_with_for_any_number_of_items() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["n"]),
        helper.make_node("Gather", ["shape", "one"], ["c"]),
        helper.make_node("Mul", ["n", "c"], ["nc"]),
        helper.make_node("Unsqueeze", ["nc", "axis"], ["first"]),
        helper.make_node("Concat", ["first", "minus"], ["flat"], axis=0),
        helper.make_node("Reshape", ["x", "flat"], ["rows"]),
        helper.make_node("MatMul", ["rows", "m"], ["made"]),
        helper.make_node("Div", ["nc", "c"], ["n2"]),
        helper.make_node("Unsqueeze", ["n2", "axis"], ["n3"]),
        helper.make_node("Concat", ["n3", "minus"], ["back"], axis=0),
        helper.make_node("Reshape", ["made", "back"], ["y"]),
    ]
    consts = {
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "axis": whole(0),
        "minus": whole(-1),
        "m": drawn(5, 3),
    }
    network = assert_answers_alike(model(nodes, ("N", 4, 5), consts), items_of((4, 5)))
    assert [type(module).__name__ for module in network.children()] == ["Linear"]


def test_what_is_no_number_is_found_and_filled() -> None:
    nodes = [
        helper.make_node("Log", ["x"], ["a"]),
        helper.make_node("IsNaN", ["a"], ["b"]),
        helper.make_node("Where", ["b", "zero", "a"], ["y"]),
    ]
    assert_answers_alike(model(nodes, ("N", 6), {"zero": scalar(0)}), items_of((6,)))


def test_places_that_items_tell_are_gathered() -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT),
        helper.make_node("GatherElements", ["a", "x"], ["y"], axis=1),
    ]
    words = torch.randint(0, 6, (4, 6), generator=torch.Generator().manual_seed(0))
    assert_answers_alike(model(nodes, ("N", 6), kind=TensorProto.INT64), words)


def test_places_in_the_whole_batch_are_those_of_any_number_of_items() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["n"]),
        helper.make_node("Range", ["zero", "n", "one"], ["rows"]),
        helper.make_node("Unsqueeze", ["rows", "last"], ["column"]),
        helper.make_node("Mul", ["column", "width"], ["starts"]),
        helper.make_node("Add", ["starts", "turned"], ["places"]),
        helper.make_node("Flatten", ["x"], ["flat"], axis=2),
        helper.make_node("Gather", ["flat", "places"], ["taken"]),
        helper.make_node("Squeeze", ["taken", "last"], ["y"]),
    ]
    consts = {
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "last": whole(-1),
        "width": np.array(4, np.int64),
        "turned": whole(3, 2, 1, 0),
    }
    content, items = model(nodes, ("N", 4), consts), items_of((4,))
    network = assert_answers_alike(content, items)
    assert torch.equal(network(items), items.flip(1))


def test_values_at_places_of_several_axes_and_of_the_largest() -> None:
    nodes = [
        helper.make_node("ArgMax", ["x"], ["large"], axis=1, keepdims=1),
        helper.make_node("ArgMin", ["x"], ["small"], axis=1, keepdims=1),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["n"]),
        helper.make_node("Range", ["zero", "n", "one"], ["rows"]),
        helper.make_node("Unsqueeze", ["rows", "last"], ["column"]),
        helper.make_node("Concat", ["column", "large"], ["at_large"], axis=1),
        helper.make_node("Concat", ["column", "small"], ["at_small"], axis=1),
        helper.make_node("GatherND", ["x", "at_large"], ["a"]),
        helper.make_node("GatherND", ["x", "at_small"], ["b"]),
        helper.make_node("Sub", ["a", "b"], ["c"]),
        helper.make_node("Unsqueeze", ["c", "last"], ["y"]),
    ]
    consts = {"zero": np.array(0, np.int64), "one": np.array(1, np.int64), "last": whole(-1)}
    content, items = model(nodes, ("N", 5), consts), items_of((5,))
    network = assert_answers_alike(content, items)
    assert torch.equal(network(items)[:, 0], items.amax(1) - items.amin(1))


def test_words_are_looked_up_in_an_embedding() -> None:
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["a"]),
        helper.make_node("ReduceMean", ["a"], ["b"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["b", "w"], ["y"]),
    ]
    content = model(
        nodes, ("N", 6), {"table": drawn(11, 5), "w": drawn(5, 3)}, kind=TensorProto.INT64, opset=13
    )
    words = torch.randint(0, 11, (4, 6), generator=torch.Generator().manual_seed(0))
    network = assert_answers_alike(content, words)
    assert type(network.get_submodule("table")).__name__ == "Embedding"


def test_a_weight_that_stands_in_two_layers_is_one() -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["a"], transB=1),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Gemm", ["r", "w", "b"], ["s"], transB=1),
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        helper.make_node("Gemm", ["s", "t"], ["y"], transB=0),
    ]
    network = assert_answers_alike(model(nodes, ("N", 4), {"w": drawn(4, 4), "b": drawn(4)}), items_of((4,)))
    linears = [module for module in network.modules() if type(module).__name__ == "Linear"]
    assert len(linears) == 2
    assert linears[0].weight is linears[1].weight


def test_a_constant_in_a_node_is_a_weight_too() -> None:
    nodes = [
        helper.make_node("Constant", [], ["fc1.weight"], value=numpy_helper.from_array(drawn(5, 3), "v")),
        helper.make_node("MatMul", ["x", "fc1.weight"], ["a"]),
        helper.make_node("Constant", [], ["b"], value_floats=[1.0, 2.0, 3.0]),
        helper.make_node("Add", ["b", "a"], ["y"]),
    ]
    network = assert_answers_alike(model(nodes, ("N", 5)), items_of((5,)))
    assert network.get_submodule("fc1").bias is not None
