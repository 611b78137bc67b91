"""ONNX files that mean no good: a sentence each, and nothing is made that the bytes do not hold."""

from __future__ import annotations

import random
import struct
from contextlib import suppress
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from compress_core.foundation.errors import Refused
from compress_core.loading.onnx_file import file_parts
from compress_core.loading.onnx_file.file_parts import begins_like_onnx, read_file
from compress_core.loading.onnx_file.tensor_values import values_of
from compress_core.loading.onnx_file.understanding import read_network
from compress_core.loading.onnx_file.wire_format import varints
from compress_core.loading.weights_file import SERVER_CAPS
from tests.hostile_onnx import HOSTILE, RAW, SMALL, changed, varint


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_a_sentence(name: str) -> None:
    change, words = HOSTILE[name]
    content = changed(change)
    with pytest.raises(Refused, match=words) as refused:
        read_network(content, SERVER_CAPS)
    assert 20 < len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * name.startswith("millions")) for name in RAW]
)
def test_bytes_that_are_no_such_file_are_a_sentence(name: str) -> None:
    make, words = RAW[name]
    with pytest.raises(Refused, match=words):
        read_network(make(), SERVER_CAPS)


def test_more_values_than_allowed_are_refused_from_their_dims() -> None:
    with pytest.raises(Refused, match="claims 15 values in all; at most 10"):
        read_file(SMALL, replace(SERVER_CAPS, elements=10))


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_changed_in_a_file_it_is_read_or_refused(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(150):
        content = bytearray(SMALL)
        for _ in range(draw.randint(1, 4)):
            content[draw.randrange(len(content))] = draw.choice((0, 1, 127, 128, 255, draw.randrange(256)))
        with suppress(Refused):
            read_network(
                bytes(content[: draw.choice((len(content), draw.randrange(len(content))))]), SERVER_CAPS
            )


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_packed_numbers_are_read_as_they_were_written(values: list[int]) -> None:
    packed = b"".join(varint(value % 2**64) for value in values)
    assert varints(memoryview(packed)).tolist() == values


@pytest.mark.parametrize(
    "kind",
    ["float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint64", "bool"],
)
@pytest.mark.parametrize("as_bytes", [True, False])
def test_the_values_of_a_tensor_are_those_that_onnx_reads(kind: str, as_bytes: bool) -> None:
    values = np.array([[0, 1, 3], [2, 120, 5]]).astype(kind)
    number = helper.np_dtype_to_tensor_dtype(values.dtype)
    tensor = helper.make_tensor(
        "t", number, (2, 3), values.tobytes() if as_bytes else values.reshape(-1), raw=as_bytes
    )
    made = onnx.load_from_string(SMALL)
    made.graph.initializer.append(tensor)
    found = values_of(read_file(made.SerializeToString(), SERVER_CAPS).tensors["t"])
    assert found.dtype == values.dtype
    assert np.array_equal(found, values)


def test_all_fields_that_onnx_knows_are_read_left_out_or_refused() -> None:
    """A field that a later release adds is seen here before anybody's file holds one."""
    messages = {
        "model": onnx.ModelProto,
        "operator set": onnx.OperatorSetIdProto,
        "graph": onnx.GraphProto,
        "node": onnx.NodeProto,
        "note": onnx.StringStringEntryProto,
        "attribute": onnx.AttributeProto,
        "tensor": onnx.TensorProto,
        "value": onnx.ValueInfoProto,
        "type": onnx.TypeProto,
        "tensor type": onnx.TypeProto.Tensor,
        "shape": onnx.TensorShapeProto,
        "dimension": onnx.TensorShapeProto.Dimension,
    }
    for name, message in messages.items():
        numbers = {f.number: f.name for f in message.DESCRIPTOR.fields}
        ours = file_parts.SCHEMA[name]
        assert set(ours) == set(numbers), name
        assert {n: p.name for n, p in ours.items() if p.name} == {
            n: numbers[n] for n, p in ours.items() if p.name
        }


def test_a_file_of_onnx_is_told_from_its_first_bytes() -> None:
    assert begins_like_onnx(SMALL)
    for other in (b"PK\x03\x04", b"\x80\x02}", struct.pack("<Q", 9) + b'{"a": 1}', b"", b"\x08"):
        assert not begins_like_onnx(other)
