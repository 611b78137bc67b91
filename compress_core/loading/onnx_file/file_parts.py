"""An ONNX file as plain frozen parts: its nodes, its tensors, what goes in and what comes out.

Read by `wire_format` alone, within bounds; nothing is computed, and no value of a tensor is copied. Needs
no torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file.wire_format import (
    FieldPart,
    Schema,
    WireKind,
    WireMessage,
    WireReading,
    damaged,
)
from compress_core.loading.stored import MAX_DIMENSIONS, Caps, shown

OLDEST, NEWEST = 9, 24
"""The versions of the operator set that are opened."""
DOMAINS = frozenset({"", "ai.onnx"})
MOST_OF_A_NODE = 4096  # inputs, outputs, attributes
MOST_OF_AN_ATTRIBUTE = 2**16  # numbers
_MOST_FIELDS = 500_000
_SCOPES, _LONGEST_SCOPE = "pkg.torch.onnx.name_scopes", 2000
_SCOPE = re.compile(r"'([\w.-]*)'", re.ASCII)
_IR = range(3, 16)
_SECOND_FIELDS = frozenset(bytes([sign]) for sign in (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72))

_TEXT, _WHOLE = WireKind.TEXT, WireKind.WHOLE
_SKIP = FieldPart("", WireKind.LEFT_OUT)
SCHEMA: Schema = {
    "model": {
        1: FieldPart("ir_version", _WHOLE),
        2: _SKIP,
        3: _SKIP,
        4: _SKIP,
        5: _SKIP,
        6: _SKIP,
        7: FieldPart("graph", WireKind.MESSAGE, inside="graph"),
        8: FieldPart("opset_import", WireKind.MESSAGE, many=True, inside="operator set"),
        14: _SKIP,
        20: FieldPart("training_info", WireKind.RAW, many=True),
        25: FieldPart("functions", WireKind.RAW, many=True),
        26: _SKIP,
    },
    "operator set": {1: FieldPart("domain", _TEXT), 2: FieldPart("version", _WHOLE)},
    "graph": {
        1: FieldPart("node", WireKind.MESSAGE, many=True, inside="node"),
        2: _SKIP,
        5: FieldPart("initializer", WireKind.MESSAGE, many=True, inside="tensor"),
        10: _SKIP,
        11: FieldPart("input", WireKind.MESSAGE, many=True, inside="value"),
        12: FieldPart("output", WireKind.MESSAGE, many=True, inside="value"),
        13: _SKIP,
        14: _SKIP,
        15: FieldPart("sparse_initializer", WireKind.RAW, many=True),
        16: _SKIP,
    },
    "node": {
        1: FieldPart("input", _TEXT, many=True),
        2: FieldPart("output", _TEXT, many=True),
        3: FieldPart("name", _TEXT),
        4: FieldPart("op_type", _TEXT),
        5: FieldPart("attribute", WireKind.MESSAGE, many=True, inside="attribute"),
        6: _SKIP,
        7: FieldPart("domain", _TEXT),
        8: FieldPart("overload", _TEXT),
        9: FieldPart("metadata_props", WireKind.MESSAGE, many=True, inside="note"),
        10: _SKIP,
    },
    "note": {1: FieldPart("key", _TEXT), 2: FieldPart("value", WireKind.RAW)},
    "attribute": {
        1: FieldPart("name", _TEXT),
        2: FieldPart("f", WireKind.REAL),
        3: FieldPart("i", _WHOLE),
        4: FieldPart("s", WireKind.RAW),
        5: FieldPart("t", WireKind.MESSAGE, inside="tensor"),
        6: FieldPart("g", WireKind.RAW),
        7: FieldPart("floats", WireKind.REALS),
        8: FieldPart("ints", WireKind.WHOLES),
        9: FieldPart("strings", WireKind.RAW, many=True),
        10: FieldPart("tensors", WireKind.RAW, many=True),
        11: FieldPart("graphs", WireKind.RAW, many=True),
        13: _SKIP,
        14: FieldPart("tp", WireKind.RAW),
        15: FieldPart("type_protos", WireKind.RAW, many=True),
        20: FieldPart("type", _WHOLE),
        21: FieldPart("ref_attr_name", _TEXT),
        22: FieldPart("sparse_tensor", WireKind.RAW),
        23: FieldPart("sparse_tensors", WireKind.RAW, many=True),
    },
    "tensor": {
        1: FieldPart("dims", WireKind.WHOLES),
        2: FieldPart("data_type", _WHOLE),
        3: FieldPart("segment", WireKind.RAW),
        4: FieldPart("float_data", WireKind.REALS),
        5: FieldPart("int32_data", WireKind.WHOLES),
        6: FieldPart("string_data", WireKind.RAW, many=True),
        7: FieldPart("int64_data", WireKind.WHOLES),
        8: FieldPart("name", _TEXT),
        9: FieldPart("raw_data", WireKind.RAW),
        10: FieldPart("double_data", WireKind.DOUBLES),
        11: FieldPart("uint64_data", WireKind.WHOLES),
        12: _SKIP,
        13: FieldPart("external_data", WireKind.RAW, many=True),
        14: FieldPart("data_location", _WHOLE),
        16: _SKIP,
    },
    "value": {
        1: FieldPart("name", _TEXT),
        2: FieldPart("type", WireKind.MESSAGE, inside="type"),
        3: _SKIP,
        4: _SKIP,
    },
    "type": {
        1: FieldPart("tensor_type", WireKind.MESSAGE, inside="tensor type"),
        4: FieldPart("sequence_type", WireKind.RAW),
        5: FieldPart("map_type", WireKind.RAW),
        6: _SKIP,
        7: FieldPart("opaque_type", WireKind.RAW),
        8: FieldPart("sparse_tensor_type", WireKind.RAW),
        9: FieldPart("optional_type", WireKind.RAW),
    },
    "tensor type": {
        1: FieldPart("elem_type", _WHOLE),
        2: FieldPart("shape", WireKind.MESSAGE, inside="shape"),
    },
    "shape": {1: FieldPart("dim", WireKind.MESSAGE, many=True, inside="dimension")},
    "dimension": {1: FieldPart("dim_value", _WHOLE), 2: FieldPart("dim_param", _TEXT), 3: _SKIP},
}

_INSIDE_ANOTHER = (
    "g",
    "graphs",
    "tensors",
    "tp",
    "type_protos",
    "sparse_tensor",
    "sparse_tensors",
    "strings",
)
_FIELD_OF_TYPE = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints"}
_NUMBER, _TYPE_OF_GRAPH = {"f", "i", "s", "t", "floats", "ints"}, (5, 10)


@dataclass(frozen=True, eq=False)
class OnnxTensor:
    """A tensor as the file declares it. data: where its values lie, by the field in which they stand."""

    name: str
    shape: tuple[int, ...]
    kind: int
    data: Mapping[str, Any]


AttributeValue = float | int | bytes | OnnxTensor | tuple[float, ...] | tuple[int, ...]


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """One operator; inputs and outputs by name, empty for what is left out.

    scope: the modules inside which it stood, as torch's exporter notes them. holds: graphs and the like.
    """

    name: str
    operator: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]
    scope: str = ""
    holds: str = ""


@dataclass(frozen=True)
class OnnxValue:
    """What goes in or comes out: its name, the type of its numbers, and its sizes, a text for a free one."""

    name: str
    kind: int
    shape: tuple[int | str, ...] | None


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """What a file holds. version: of the operator set."""

    version: int
    nodes: tuple[OnnxNode, ...]
    tensors: Mapping[str, OnnxTensor]
    inputs: tuple[OnnxValue, ...]
    outputs: tuple[OnnxValue, ...]


def begins_like_onnx(content: bytes) -> bool:
    """Whether bytes begin as a model of ONNX does: with the version of its format, then a field it has."""
    return content[:1] == b"\x08" and content[1:2] < b"\x20" and content[2:3] in _SECOND_FIELDS


def read_file(content: bytes, caps: Caps) -> OnnxFile:
    """The parts of a file; raises Refused where it is damaged, too large, or of a form that is not opened."""
    model = WireReading(SCHEMA, _MOST_FIELDS).message(memoryview(content), "model")
    version = _version(model)
    for part, reason in (
        ("functions", N_("it defines functions of its own")),
        ("training_info", N_("it holds a training beside the network")),
    ):
        if part in model:
            raise damaged(reason)
    graph = model.get("graph")
    if graph is None:
        raise damaged(N_("there is no graph in it"))
    if "sparse_initializer" in graph:
        raise damaged(N_("it holds sparse tensors"))
    _check_counts(graph, caps)
    return OnnxFile(
        version,
        tuple(_node(node) for node in graph.get("node", [])),
        _tensors(graph.get("initializer", []), caps),
        tuple(_named_value(value) for value in graph.get("input", [])),
        tuple(_named_value(value) for value in graph.get("output", [])),
    )


def _version(model: WireMessage) -> int:
    if model.get("ir_version") not in _IR:
        raise damaged(Phrase("its format has the version {version}", version=model.get("ir_version", 0)))
    versions: dict[str, int] = {}
    for entry in model.get("opset_import", []):
        domain = entry.get("domain", "")
        if domain in versions:
            raise damaged(Phrase("it names the operator set '{domain}' twice", domain=shown(domain)))
        versions[domain] = entry.get("version", 1)
    found = [number for domain, number in versions.items() if domain in DOMAINS]
    if len(found) != 1 or not OLDEST <= found[0] <= NEWEST:
        raise Refused(
            "The ONNX file is written for the operator set {version}; those from {oldest} to {newest} are "
            "opened. Export it with opset_version={newest} at most.",
            version=", ".join(map(str, found)) or "?",
            oldest=OLDEST,
            newest=NEWEST,
        )
    return found[0]


def _check_counts(graph: WireMessage, caps: Caps) -> None:
    for part, most in (("node", caps.tensors), ("initializer", 2 * caps.tensors)):
        if len(graph.get(part, [])) > most:
            raise damaged(Phrase("it has more than {most:,} of {part}", most=most, part=part))


def _node(message: WireMessage) -> OnnxNode:
    attributes: dict[str, AttributeValue] = {}
    holds = ""
    for part in ("input", "output", "attribute"):
        if len(message.get(part, [])) > MOST_OF_A_NODE:
            raise damaged(Phrase("it has more than {most:,} of {part}", most=MOST_OF_A_NODE, part=part))
    for entry in message.get("attribute", []):
        name = entry.get("name", "")
        if name in attributes or not name:
            raise damaged(Phrase("a {message} says its {field} twice", message="node", field=shown(name)))
        inner = next((part for part in _INSIDE_ANOTHER if part in entry), "")
        holds = holds or inner or ("ref_attr_name" if entry.get("ref_attr_name") else "")
        if not inner:
            attributes[name] = _attribute(entry)
    return OnnxNode(
        message.get("name", ""),
        message.get("op_type", ""),
        message.get("domain", ""),
        tuple(message.get("input", [])),
        tuple(message.get("output", [])),
        attributes,
        _scope(message),
        holds,
    )


def _scope(message: WireMessage) -> str:
    """Modules and a name, as /block/block.0/linear; empty where nothing is noted."""
    for note in message.get("metadata_props", []):
        value = bytes(note.get("value", b"")[: _LONGEST_SCOPE + 1])
        if note.get("key") == _SCOPES and len(value) <= _LONGEST_SCOPE:
            names = _SCOPE.findall(value.decode("ascii", "replace"))
            return "".join(f"/{name}" for name in names if name)
    return ""


def _attribute(entry: WireMessage) -> AttributeValue:
    """The value of an attribute, by the type that it says."""
    said = [part for part in _NUMBER if part in entry]
    field = _FIELD_OF_TYPE.get(entry.get("type", 0), said[0] if len(said) == 1 else "")
    if not field or any(part != field for part in said):
        raise damaged(Phrase("the attribute '{name}' has no value of its type", name=shown(entry["name"])))
    match field:
        case "t":
            return _tensor(entry["t"]) if "t" in entry else _nothing(entry)
        case "floats" | "ints":
            numbers = pieces_joined(entry.get(field, []), np.float32 if field == "floats" else np.int64)
            if len(numbers) > MOST_OF_AN_ATTRIBUTE:
                raise damaged(
                    Phrase("it has more than {most:,} of {part}", most=MOST_OF_AN_ATTRIBUTE, part="attribute")
                )
            return tuple(numbers.tolist())
        case "s":
            return bytes(entry.get("s", b""))
    found: float | int = entry.get(field, 0)
    return found


def _nothing(entry: WireMessage) -> OnnxTensor:
    raise damaged(Phrase("the attribute '{name}' has no value of its type", name=shown(entry["name"])))


def pieces_joined(chunks: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """Numbers [n] that stand in several pieces."""
    if len(chunks) == 1:
        return chunks[0]
    return np.concatenate([np.zeros(0, dtype), *chunks])


def _tensor(message: WireMessage) -> OnnxTensor:
    name = message.get("name", "")
    if message.get("data_location") or "external_data" in message:
        raise Refused(
            "The weights of the ONNX file lie in another file (tensor '{tensor}'), and only what is inside "
            "of it is read: export it as one file, in torch with external_data=False.",
            tensor=shown(name),
        )
    if "segment" in message:
        raise damaged(N_("a tensor of it stands in pieces"))
    shape = tuple(pieces_joined(message.get("dims", []), np.int64)[: MAX_DIMENSIONS + 1].tolist())
    parts = (
        "raw_data",
        "float_data",
        "int32_data",
        "int64_data",
        "double_data",
        "uint64_data",
        "string_data",
    )
    return OnnxTensor(
        name, shape, message.get("data_type", 0), {p: message[p] for p in parts if p in message}
    )


def _tensors(messages: Sequence[WireMessage], caps: Caps) -> Mapping[str, OnnxTensor]:
    found: dict[str, OnnxTensor] = {}
    total = 0
    for message in messages:
        tensor = _tensor(message)
        if tensor.name in found or not tensor.name:
            raise damaged(Phrase("two of its tensors are called '{tensor}'", tensor=shown(tensor.name)))
        found[tensor.name] = tensor
        total += max(0, math.prod(tensor.shape))
    if total > caps.elements:
        raise Refused(
            "The file claims {got:,} values in all; at most {most:,} are read. "
            "Upload a smaller model or use the command line.",
            got=total,
            most=caps.elements,
        )
    return found


def _named_value(message: WireMessage) -> OnnxValue:
    name = message.get("name", "")
    tensor = message.get("type", {}).get("tensor_type")
    if tensor is None:
        raise damaged(Phrase("'{value}' is no tensor", value=shown(name)))
    shape = tensor.get("shape")
    sizes = None if shape is None else tuple(_size(dimension) for dimension in shape.get("dim", []))
    return OnnxValue(name, tensor.get("elem_type", 0), sizes)


def _size(dimension: WireMessage) -> int | str:
    return dimension["dim_value"] if "dim_value" in dimension else str(dimension.get("dim_param", ""))
