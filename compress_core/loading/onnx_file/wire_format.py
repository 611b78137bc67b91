"""Protocol buffers, read strictly by a table of what a message may hold: the rest is refused. Needs no torch.

A field that stands twice where it may stand once, one of another kind and one that is not in the table are
refused, so that no other reader can take the bytes for something else. Bytes are looked at, not copied.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_MOST_DEEP = 12
_LONGEST_VARINT = 10
_LONGEST_TEXT = 1000
_SIGN = 2**63


class WireKind(Enum):
    """What a field holds."""

    WHOLE = auto()
    REAL = auto()
    TEXT = auto()
    RAW = auto()
    MESSAGE = auto()
    WHOLES = auto()
    REALS = auto()
    DOUBLES = auto()
    LEFT_OUT = auto()


@dataclass(frozen=True)
class FieldPart:
    """One field: its name, its kind, whether it may stand several times, and the message that lies in it."""

    name: str
    kind: WireKind
    many: bool = False
    inside: str = ""


Schema = Mapping[str, Mapping[int, FieldPart]]
WireMessage = Mapping[str, Any]
_WIRE_OF = {
    WireKind.WHOLE: (_VARINT,),
    WireKind.REAL: (_FOUR,),
    WireKind.TEXT: (_BYTES,),
    WireKind.RAW: (_BYTES,),
    WireKind.MESSAGE: (_BYTES,),
    WireKind.WHOLES: (_VARINT, _BYTES),
    WireKind.REALS: (_FOUR, _BYTES),
    WireKind.DOUBLES: (_EIGHT, _BYTES),
    WireKind.LEFT_OUT: (_VARINT, _EIGHT, _BYTES, _FOUR),
}
_NUMBERS = frozenset({WireKind.WHOLES, WireKind.REALS, WireKind.DOUBLES})


class WireReading:
    """Reads one file; `most_fields` bounds all messages of it together."""

    def __init__(self, schema: Schema, most_fields: int) -> None:
        self._schema, self._left = schema, most_fields

    def message(self, content: memoryview, kind: str, depth: int = 0) -> WireMessage:
        """A message by the names of its fields; what may stand several times is a list.

        Raises Refused where it is not such a message.
        """
        if depth > _MOST_DEEP:
            raise damaged(N_("it lies too deep"))
        parts, found = self._schema[kind], dict[str, Any]()
        for number, wire, value in self._fields(content):
            part = parts.get(number)
            if part is None or wire not in _WIRE_OF[part.kind]:
                raise damaged(
                    Phrase(
                        "a {message} has a field {number} of a kind unknown here", message=kind, number=number
                    )
                )
            if part.kind is WireKind.LEFT_OUT:
                continue
            read = self._value(part, wire, value, depth)
            if part.many or part.kind in _NUMBERS:
                found.setdefault(part.name, []).append(read)
            elif part.name in found:
                raise damaged(Phrase("a {message} says its {field} twice", message=kind, field=part.name))
            else:
                found[part.name] = read
        return found

    def _value(self, part: FieldPart, wire: int, value: Any, depth: int) -> Any:
        match part.kind:
            case WireKind.MESSAGE:
                return self.message(value, part.inside, depth + 1)
            case WireKind.TEXT:
                return _text(value)
            case WireKind.REAL:
                return struct.unpack("<f", value)[0]
            case _ if part.kind in _NUMBERS:
                return _numbers(part.kind, wire, value)
        return value

    def _fields(self, content: memoryview) -> Iterator[tuple[int, int, Any]]:
        at, end = 0, len(content)
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise damaged(N_("it has more fields than a network needs"))
            key, at = _varint(content, at)
            number, wire = key >> 3, key & 7
            if wire == _VARINT:
                unsigned, at = _varint(content, at)
                yield number, wire, unsigned - 2 * _SIGN if unsigned >= _SIGN else unsigned
                continue
            size = {_EIGHT: 8, _FOUR: 4}.get(wire, -1)
            if wire == _BYTES:
                size, at = _varint(content, at)
            if size < 0 or size > end - at:
                raise damaged(N_("a field reaches beyond its end"))
            yield number, wire, content[at : at + size]
            at += size


def damaged(reason: str) -> Refused:
    """What to say of bytes that are no ONNX file, or one that nobody should read."""
    return Refused(
        "The ONNX file cannot be read, because {reason}: export it anew, as one file with its weights "
        "inside.",
        reason=reason,
    )


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    if at < len(content) and content[at] < 128:  # nearly all of them
        return content[at], at + 1
    value, end = 0, min(len(content), at + _LONGEST_VARINT)
    for place in range(at, end):
        byte = content[place]
        value |= (byte & 127) << 7 * (place - at)
        if byte < 128:
            if value >= 2 * _SIGN:
                break
            return value, place + 1
    raise damaged(N_("a number in it has no end"))


def _text(value: memoryview) -> str:
    if len(value) > _LONGEST_TEXT:
        raise damaged(Phrase("a name in it has more than {most} signs", most=_LONGEST_TEXT))
    try:
        text = str(value, "utf-8")
    except UnicodeDecodeError:
        raise damaged(N_("a name in it is no text")) from None
    if not text.isprintable():
        raise damaged(N_("a name in it holds signs that cannot be shown"))
    return text


def _numbers(kind: WireKind, wire: int, value: Any) -> NDArray[Any]:
    """Numbers [n], written one by one or packed."""
    if kind is WireKind.WHOLES:
        return np.array([value], dtype=np.int64) if wire == _VARINT else varints(value)
    size, dtype = (4, "<f4") if kind is WireKind.REALS else (8, "<f8")
    if len(value) % size:
        raise damaged(N_("a field reaches beyond its end"))
    return np.frombuffer(value, dtype)


def varints(packed: memoryview) -> NDArray[np.int64]:
    """Whole numbers [n] of seven bits a byte, one after the other."""
    raw = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(raw < 128)
    if len(raw) and (not len(ends) or ends[-1] != len(raw) - 1):
        raise damaged(N_("a number in it has no end"))
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])[: len(ends)]
    lengths = ends - starts + 1
    longest = int(lengths.max(initial=0))
    if longest > _LONGEST_VARINT:
        raise damaged(N_("a number in it has no end"))
    values = np.zeros(len(ends), dtype=np.uint64)
    for byte in range(longest):
        there = lengths > byte
        values[there] |= (raw[starts[there] + byte] & 127).astype(np.uint64) << np.uint64(7 * byte)
    return values.view(np.int64)
