"""Which network of torchvision weights belong to, told by the names and shapes of a state dict alone.

The file beside it was written by scripts/registry_signatures.py; torchvision need not be installed to look.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

Shapes = Mapping[str, tuple[int, ...]]
SIGNATURES = Path(__file__).with_suffix(".json")


def state_signature(shapes: Shapes, head: Collection[str]) -> str:
    """What tells a state dict: the names and shapes of all tensors, of the head without how many classes."""
    lines = (f"{name} {list(shapes[name][1:] if name in head else shapes[name])}" for name in sorted(shapes))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def torchvision_name_of(shapes: Shapes) -> str | None:
    """The classifier of torchvision with such a state dict, whatever its classes and a prefix of names."""
    given: Shapes | None = shapes
    while given:
        found = _name_of(given)
        if found is not None:
            return found
        given = _without_first_part(given)
    return None


def _without_first_part(shapes: Shapes) -> Shapes | None:
    """The same without the part with which all names begin; None where there is none."""
    parts = {name.partition(".")[0] for name in shapes}
    if len(parts) > 1 or not all("." in name for name in shapes):
        return None
    return {name.partition(".")[2]: shape for name, shape in shapes.items()}


def _name_of(shapes: Shapes) -> str | None:
    for name, tensors, head, digest in _known():
        if len(shapes) == tensors and set(head) <= shapes.keys() and state_signature(shapes, head) == digest:
            return name
    return None


@lru_cache(maxsize=1)
def _known() -> tuple[tuple[str, int, tuple[str, ...], str], ...]:
    found = json.loads(SIGNATURES.read_text(encoding="utf-8"))
    return tuple((one["name"], one["tensors"], tuple(one["head"]), one["digest"]) for one in found)
