"""Frozen values as plain JSON and back: dataclasses, numbers, texts that can be translated."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from compress_core.foundation.number import Number
from compress_core.foundation.plain_json import text_as_json, text_from_json
from compress_core.foundation.texts import Phrase


def as_plain(value: object, text: Callable[[object], Any] = text_as_json) -> Any:
    """A value as JSON holds it. text: what becomes of texts; `str` leaves the English of phrases."""
    match value:
        case Enum():
            found: Any = value.value
        case Phrase():
            found = text(value)
        case BaseModel():
            found = value.model_dump(mode="json")
        case Mapping():
            found = {str(name): as_plain(inner, text) for name, inner in value.items()}
        case list() | tuple():
            found = [as_plain(inner, text) for inner in value]
        case Number():
            found = as_plain(value.as_json(), text)
        case _ if is_dataclass(value):
            found = {field.name: as_plain(getattr(value, field.name), text) for field in fields(value)}
        case _:
            found = value
    return found


def from_plain(kind: Any, said: Any) -> Any:
    """The reverse of `as_plain` for a type; raises TypeError, KeyError or ValueError for other values."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin in {UnionType, Union}:
        return None if said is None else from_plain(next(k for k in inside if k is not NoneType), said)
    if origin is tuple:
        return tuple(from_plain(inside[0], each) for each in said)
    if origin is Mapping and not isinstance(said, Mapping):
        raise TypeError(f"an object was meant, not {type(said).__name__}")
    return _of_class(kind, said) if origin is None and isinstance(kind, type) else said


def _of_class(kind: type, said: Any) -> Any:
    if issubclass(kind, BaseModel):
        return kind.model_validate_json(json.dumps(said))
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: from_plain(hints[name], value) for name, value in said.items()})
    if issubclass(kind, Enum):
        return kind(said)
    return text_from_json(said) if kind is str else said
