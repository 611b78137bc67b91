"""A value as tensors and plain facts: what comes back is what went, bit for bit and stride for stride.

Strides count, because the same product of a matrix that lies otherwise in memory rounds otherwise.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

FACTS = "facts"
_HEADER_SIZE = 8
_OURS = "compress_core."
_TORCH = "torch."
_PLAIN = (bool, int, float, str)


class NoFormError(TypeError):
    """A value that cannot go to the disk; it stays in memory."""


def to_bytes(value: object, facts_under: str = FACTS) -> bytes:
    """One safetensors file for a value; facts_under: the one name in its header.

    Takes tensors, their types, numbers, texts, None, tuples, mappings with keys of text, and our dataclasses;
    raises NoFormError for anything else.
    """
    tensors: dict[str, Tensor] = {}
    facts = _described(value, tensors)
    return save(tensors, {facts_under: json.dumps(facts)})


def from_bytes(content: bytes) -> Any:
    """The value of a file that `to_bytes` made."""
    return _restored(facts_in(content), load(content))


def facts_in(content: bytes) -> Any:
    """The plain facts in the header of a safetensors file, JSON under the name that all of ours use."""
    size = int.from_bytes(content[:_HEADER_SIZE], "little")
    header = json.loads(content[_HEADER_SIZE : _HEADER_SIZE + size])
    (facts,) = header["__metadata__"].values()  # safetensors keeps no order of several
    return json.loads(facts)


def _described(value: object, tensors: dict[str, Tensor]) -> Any:
    """Facts that stand for a value; its tensors go beside them. Plain values are themselves."""
    if value is None or type(value) in _PLAIN:
        return value
    match value:
        case Tensor():
            return {"tensor": _laid(value, tensors)}
        case torch.dtype():
            return {"dtype": str(value).removeprefix(_TORCH)}
        case tuple():
            return [_described(each, tensors) for each in value]
        case Mapping():
            return {"mapping": {_text(k): _described(each, tensors) for k, each in value.items()}}
        case _ if is_dataclass(value) and not isinstance(value, type):
            parts = {f.name: _described(getattr(value, f.name), tensors) for f in fields(value) if f.init}
            return {"made": _name_of(type(value)), "of": parts}
    raise NoFormError(f"a {type(value).__name__} has no form on the disk")


def _restored(facts: Any, tensors: Mapping[str, Tensor]) -> Any:
    match facts:
        case {"tensor": laid}:
            return _taken(laid, tensors)
        case {"dtype": name}:
            return getattr(torch, name)
        case [*parts]:
            return tuple(_restored(each, tensors) for each in parts)
        case {"mapping": parts}:
            return {key: _restored(each, tensors) for key, each in parts.items()}
        case {"made": name, "of": parts}:
            return _named(name)(**{key: _restored(each, tensors) for key, each in parts.items()})
    return facts


def _laid(tensor: Tensor, tensors: dict[str, Tensor]) -> list[Any]:
    """Put the memory that a tensor looks at among the others; how it looks at it stays in the facts."""
    plain = tensor.detach()
    reach = 1 + sum((size - 1) * step for size, step in zip(plain.shape, plain.stride(), strict=True))
    name = str(len(tensors))
    tensors[name] = plain.as_strided((reach if plain.numel() else 0,), (1,)).clone()
    return [name, list(plain.shape), list(plain.stride())]


def _taken(laid: list[Any], tensors: Mapping[str, Tensor]) -> Tensor:
    """The tensor, in memory of its own that begins where torch lets memory begin."""
    name, shape, strides = laid
    return tensors[name].clone().as_strided(shape, strides)


def _text(key: object) -> str:
    if type(key) is not str:
        raise NoFormError(f"{key!r} is no text to name a value with")
    return key


def _name_of(kind: type) -> str:
    if not kind.__module__.startswith(_OURS):
        raise NoFormError(f"{kind.__name__} is none of our types")
    return f"{kind.__module__}:{kind.__qualname__}"


def _named(name: str) -> Any:
    """A dataclass of ours; a file can name nothing else."""
    module, _, qualname = name.partition(":")
    found: Any = importlib.import_module(module) if module.startswith(_OURS) else None
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not is_dataclass(found):
        raise TypeError(f"{name} is no type of ours")
    return found
