"""The header of a safetensors file, read by rules of our own: the library's are too generous for a server."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from compress_core.foundation.errors import Refused
from compress_core.loading.stored import (
    BF16,
    BOOL,
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    Caps,
    Element,
    Stored,
    check_shape,
    row_major,
    shown,
)

_LENGTH = 8
_METADATA = "__metadata__"
_FIELDS = {"dtype", "shape", "data_offsets"}
_ELEMENTS: Mapping[str, Element] = MappingProxyType(
    {
        "F64": F64, "F32": F32, "F16": F16, "BF16": BF16, "BOOL": BOOL,
        "I64": I64, "I32": I32, "I16": I16, "I8": I8, "U8": U8,
    }
)  # fmt: skip


@dataclass(frozen=True)
class _Entry:
    name: str
    element: Element
    shape: tuple[int, ...]
    begin: int
    end: int


def declared_in_safetensors(content: bytes, caps: Caps) -> dict[str, Stored]:
    """What the header declares, in its order; no tensor is allocated.

    Raises Refused for a header that is too long, no JSON, names a tensor twice, or whose tensors overlap,
    leave gaps or do not have the bytes their shape asks for.
    """
    header, values = _parts(content, caps)
    entries = [
        _entry(name, fields, caps) for name, fields in _objects(header, caps).items() if name != _METADATA
    ]
    _check_covered(entries, len(values))
    return {
        entry.name: Stored(
            entry.name, values[entry.begin : entry.end], 0, entry.element, entry.shape, row_major(entry.shape)
        )
        for entry in entries
    }


def _parts(content: bytes, caps: Caps) -> tuple[bytes, memoryview]:
    length = int.from_bytes(content[:_LENGTH], "little")
    if length > caps.directory_bytes:
        raise Refused(
            "The safetensors header claims {got:,} bytes; at most {most:,} are read. "
            "Upload the state dict of one model.",
            got=length,
            most=caps.directory_bytes,
        )
    if _LENGTH + length > len(content):
        raise Refused(
            "The safetensors file ends within its header: {want:,} bytes are announced, {got:,} are there. "
            "The file is cut off: upload it again.",
            want=_LENGTH + length,
            got=len(content),
        )
    return content[_LENGTH : _LENGTH + length], memoryview(content)[_LENGTH + length :]


def _objects(header: bytes, caps: Caps) -> dict[str, object]:
    if header.count(b"data_offsets") > caps.tensors:
        raise Refused(
            "The safetensors header lists more than the {most:,} tensors that are read. "
            "Upload the state dict of one model.",
            most=caps.tensors,
        )
    try:
        found: object = json.loads(header.decode("utf-8"), object_pairs_hook=_without_repeats)
    except Refused:
        raise
    except (ValueError, RecursionError) as broken:
        raise Refused(
            "The safetensors header is no valid JSON. The file is damaged: save it anew with safetensors."
        ) from broken
    assert isinstance(found, dict), "the header begins with a brace"
    return found


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise Refused(
            "The safetensors header has '{tensor}' twice; every name must be there once. Save the file anew.",
            tensor=shown(repeated),
        )
    return found


def _entry(name: str, fields: object, caps: Caps) -> _Entry:
    if not isinstance(fields, dict) or set(fields) != _FIELDS or not isinstance(fields["dtype"], str):
        raise _misshapen(name)
    element = _ELEMENTS.get(fields["dtype"])
    if element is None:
        raise Refused(
            "Tensor '{tensor}' has the type {dtype}; it must be one of {known}. "
            "Convert the model to float32 and save it again.",
            tensor=shown(name),
            dtype=shown(fields["dtype"]),
            known=", ".join(_ELEMENTS),
        )
    shape, offsets = _whole(name, fields["shape"]), _whole(name, fields["data_offsets"])
    if len(offsets) != 2:
        raise _misshapen(name)
    count = check_shape(name, shape, caps)
    if offsets[1] - offsets[0] != count * element.raw.itemsize:
        raise Refused(
            "Tensor '{tensor}' of shape {shape} needs {want:,} bytes, but its place in the file has another "
            "length. The file is damaged: save it anew.",
            tensor=shown(name),
            shape=list(shape),
            want=count * element.raw.itemsize,
        )
    return _Entry(name, element, shape, offsets[0], offsets[1])


def _whole(name: str, numbers: object) -> tuple[int, ...]:
    if not isinstance(numbers, list) or any(type(number) is not int or number < 0 for number in numbers):
        raise _misshapen(name)
    return tuple(numbers)


def _misshapen(name: str) -> Refused:
    return Refused(
        "The safetensors entry of '{tensor}' must have dtype, shape and two data_offsets in whole numbers, "
        "nothing else. The file is damaged: save it anew.",
        tensor=shown(name),
    )


def _check_covered(entries: list[_Entry], available: int) -> None:
    reached = 0
    for entry in sorted(entries, key=lambda entry: entry.begin):
        if entry.begin != reached:
            raise Refused(
                "Tensor '{tensor}' does not begin where the one before it ends, so tensors overlap or bytes "
                "belong to none. The file is damaged: save it anew.",
                tensor=shown(entry.name),
            )
        reached = entry.end
    if reached != available:
        raise Refused(
            "The tensors need {want:,} bytes and the file has {got:,}. The file is cut off or damaged: "
            "upload it again.",
            want=reached,
            got=available,
        )
