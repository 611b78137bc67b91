"""ONNX files that mean no good, made here, each with words of the sentence that it must become."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.onnx_files import model

F32 = np.float32
SMALL = model(
    [
        helper.make_node("Gemm", ["x", "fc.weight", "fc.bias"], ["a"], name="fc", transB=1),
        helper.make_node("Relu", ["a"], ["y"], name="act"),
    ],
    ("N", 4),
    {"fc.weight": np.arange(12, dtype=F32).reshape(3, 4), "fc.bias": np.ones(3, F32)},
)


def changed(change: Callable[[onnx.ModelProto], object]) -> bytes:
    """The small file with something else in it."""
    made = onnx.load_from_string(SMALL)
    change(made)
    content: bytes = made.SerializeToString()
    return content


def _external(made: onnx.ModelProto) -> None:
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def _loop(made: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    made.graph.node.insert(
        0, helper.make_node("If", ["x"], ["b"], name="branch", then_branch=body, else_branch=body)
    )
    made.graph.node[1].input[0] = "b"


def _deep(made: onnx.ModelProto) -> None:
    graph = helper.make_graph([], "inner", [], [])
    for _ in range(10):
        graph = helper.make_graph([helper.make_node("Loop", ["x"], ["y"], body=graph)], "outer", [], [])
    made.graph.node[1].attribute.append(helper.make_attribute("g", graph))


def _set(path: str, value: object) -> Callable[[onnx.ModelProto], object]:
    def change(made: onnx.ModelProto) -> None:
        *owners, last = path.split(".")
        place: object = made
        for owner in owners:
            place = place[int(owner)] if owner.isdigit() else getattr(place, owner)  # type: ignore[index]
        if last.isdigit():
            place[int(last)] = value  # type: ignore[index]
        else:
            setattr(place, last, value)

    return change


def _grown(made: onnx.ModelProto) -> None:
    made.graph.initializer.append(numpy_helper.from_array(np.array([2**20, 2**20], np.int64), "s"))
    made.graph.node.insert(0, helper.make_node("ConstantOfShape", ["s"], ["c"], name="grows"))
    made.graph.node.insert(1, helper.make_node("Add", ["x", "c"], ["xc"]))
    made.graph.node[2].input[0] = "xc"


def _doubled(made: onnx.ModelProto) -> None:
    """Thirty additions of a column to a row of what was before: each one is larger."""
    made.graph.initializer.append(numpy_helper.from_array(np.zeros((4, 1), F32), "c0"))
    for at in range(30):
        made.graph.node.insert(at, helper.make_node("Concat", [f"c{at}"] * 2, [f"c{at + 1}"], axis=0))
    made.graph.node[30].input[0] = "xc"
    made.graph.node.insert(30, helper.make_node("Add", ["x", "c30"], ["xc"]))


HOSTILE: dict[str, tuple[Callable[[onnx.ModelProto], object], str]] = {
    "external data": (_external, "lie in another file"),
    "a branch": (_loop, r"If \('branch'\)"),
    "graphs in graphs": (_deep, "not opened: Relu"),
    "functions": (lambda m: m.functions.add(name="f", domain="d"), "functions of its own"),
    "a training": (lambda m: m.training_info.add(), "a training"),
    "sparse": (lambda m: m.graph.sparse_initializer.add(), "sparse"),
    "an old operator set": (_set("opset_import.0.version", 6), "operator set 6"),
    "a future operator set": (_set("opset_import.0.version", 99), "operator set 99"),
    "two operator sets": (lambda m: m.opset_import.append(helper.make_opsetid("", 17)), "twice"),
    "both names of the domain": (
        lambda m: m.opset_import.append(helper.make_opsetid("ai.onnx", 17)),
        "operator set 18, 17",
    ),
    "a future format": (_set("ir_version", 99), "version 99"),
    "control signs in a name": (_set("graph.node.0.name", "a\nb"), "cannot be shown"),
    "direction signs in a name": (_set("graph.node.0.name", "a\u202eb"), "cannot be shown"),
    "a long name": (_set("graph.node.0.name", "a" * 100_000), "more than 1000"),
    "a circle": (_set("graph.node.0.input.0", "y"), "before it is made"),
    "what nobody makes": (_set("graph.node.0.input.0", "z"), "before it is made"),
    "twice made": (_set("graph.node.1.output.0", "a"), "two of its values"),
    "no output": (_set("graph.output.0.name", "z"), "made by no node"),
    "two tensors of a name": (_set("graph.initializer.1.name", "fc.weight"), "two of its tensors"),
    "more dims than bytes": (_set("graph.initializer.0.dims.0", 2**40), "at most"),
    "a product that overflows": (lambda m: m.graph.initializer[0].dims.extend([2**32, 2**32]), "at most"),
    "negative dims": (lambda m: m.graph.initializer[0].dims.extend([-1, -1]), "a shape that no tensor"),
    "many dims": (lambda m: m.graph.initializer[0].dims.extend([1] * 60), "a shape that no tensor"),
    "fewer bytes": (_set("graph.initializer.0.raw_data", b"1234"), "another number of values"),
    "values twice": (lambda m: m.graph.initializer[0].float_data.extend([1.0]), "stand twice"),
    "values of another type": (
        lambda m: (
            m.graph.initializer[0].ClearField("raw_data"),
            m.graph.initializer[0].int64_data.extend([1] * 12),
        ),
        "where others are kept",
    ),
    "texts": (_set("graph.initializer.0.data_type", TensorProto.STRING), "of type text"),
    "complex numbers": (_set("graph.initializer.0.data_type", TensorProto.COMPLEX64), "complex64"),
    "an unknown type": (_set("graph.initializer.0.data_type", 77), "of type 77"),
    "an attribute twice": (lambda m: m.graph.node[0].attribute.append(m.graph.node[0].attribute[0]), "twice"),
    "an attribute of two types": (_set("graph.node.0.attribute.0.f", 1.0), "no value of its type"),
    "a reference to a function's attribute": (_set("graph.node.0.attribute.0.ref_attr_name", "a"), "Gemm"),
    "two inputs of a name": (
        lambda m: m.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])),
        "two of its values",
    ),
    "inputs for several numbers of items": (
        lambda m: m.graph.input.append(helper.make_tensor_value_info("u", TensorProto.FLOAT, [2, 4])),
        "several numbers of items",
    ),
    "very many inputs": (
        lambda m: m.graph.input.extend(
            helper.make_tensor_value_info(f"u{at}", TensorProto.FLOAT, ["N", 4]) for at in range(20)
        ),
        "has 21 inputs",
    ),
    "two outputs": (
        lambda m: m.graph.output.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, None)),
        "2 outputs",
    ),
    "a sequence": (
        lambda m: m.graph.input[0].type.sequence_type.elem_type.tensor_type.SetInParent(),
        "is no tensor",
    ),
    "an input of halves": (_set("graph.input.0.type.tensor_type.elem_type", TensorProto.FLOAT16), "float16"),
    "a huge item": (
        _set("graph.input.0.type.tensor_type.shape.dim.1.dim_value", 2**60),
        "all others must be",
    ),
    "constants that grow": (_grown, "more than"),
    "constants that double": (_doubled, "more than"),
    "an output that is constant": (_set("graph.output.0.name", "fc.bias"), "no table"),
}


def field(number: int, content: bytes) -> bytes:
    """One field of a message."""
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value: int) -> bytes:
    made = b""
    while value > 127:
        made += bytes([value & 127 | 128])
        value >>= 7
    return made + bytes([value])


RAW: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "version"),
    "a field beyond the end": (lambda: b"\x08\x08\x3a\xff\xff\xff\xff\x0f", "beyond its end"),
    "a number without end": (lambda: b"\x08" + b"\xff" * 30, "no end"),
    "groups": (lambda: b"\x08\x08\x3b\x3c", "beyond its end"),
    "an unknown field": (lambda: SMALL + field(11, b"abc"), "a field 11"),
    "a second graph": (lambda: SMALL + field(7, b""), "graph twice"),
    "millions of nodes": (lambda: b"\x08\x08" + field(7, b"\x0a\x00" * 550_000), "more fields"),
    "many nodes": (
        lambda: b"\x08\x08\x42\x02\x10\x12" + field(7, b"\x0a\x00" * 30_000),
        "more than 4,096 of node",
    ),
    "millions of numbers": (
        lambda: (
            b"\x08\x08\x42\x02\x10\x12"
            + field(7, field(1, field(5, b"\x0a\x01a" + field(8, b"\x01" * 3_000_000) + b"\xa0\x01\x07")))
        ),
        "more than 65,536",
    ),
    "no text": (
        lambda: b"\x08\x08\x42\x02\x10\x12" + field(7, field(1, field(3, b"\xff\xfe"))),
        "is no text",
    ),
}


def chain(operator: str, count: int) -> bytes:
    """So many nodes of one kind, one after the other, and a linear layer."""
    nodes = [helper.make_node(operator, [f"v{at}"], [f"v{at + 1}"]) for at in range(count)]
    nodes[0].input[0] = "x"
    nodes.append(helper.make_node("MatMul", [f"v{count}", "w"], ["y"]))
    return model(nodes, ("N", 8), {"w": np.ones((8, 3), F32)})


def sums(count: int) -> bytes:
    """So many constants, each added to what was before."""
    nodes = [helper.make_node("Add", [f"v{at}", f"c{at}"], [f"v{at + 1}"]) for at in range(count)]
    nodes[0].input[0] = "x"
    nodes.append(helper.make_node("MatMul", [f"v{count}", "w"], ["y"]))
    consts = {f"c{at}": np.full(8, at, F32) for at in range(count)} | {"w": np.ones((8, 3), F32)}
    return model(nodes, ("N", 8), consts)


def heavy() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Files that are what they say, and take as much as they may."""
    yield "thousands of layers", lambda: chain("Relu", 4000)
    yield "thousands of steps", lambda: chain("Neg", 4000)
    yield "thousands of constants", lambda: sums(2000)
    yield (
        "a wide product",
        lambda: model(
            [
                helper.make_node("MatMul", ["x", "w"], ["a"]),
                helper.make_node("MatMul", ["a", "v"], ["y"]),
            ],
            ("N", 8),
            {"w": np.ones((8, 1_000_000), F32), "v": np.ones((1_000_000, 3), F32)},
        ),
    )


def onnx_files() -> dict[str, Callable[[], bytes]]:
    """Every hostile ONNX file by its name."""
    found = {f"onnx {name}": lambda change=change: changed(change) for name, (change, _) in HOSTILE.items()}
    found |= {f"onnx {name}": make for name, (make, _) in RAW.items()}
    return found | {f"onnx heavy {name}": make for name, make in heavy()}
