"""JSON from a stranger, read such that two readers cannot take it for two things."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

_MOST_DEPTH = 64  # below what Python's own recursion bears, above what anything of ours needs
_LARGEST_WHOLE = 2**63  # other readers have no larger numbers


def strictly_read(content: bytes) -> Any:
    """The value of a text in UTF-8, with a byte order mark or without; raises ValueError with the reason.

    Refused is what readers disagree on: a name that stands twice in one object, at any depth (some take the
    first, some the last), NaN and Infinity, numbers too large to be held, anything behind the value, and
    what lies deeper than 64 levels. The order of names does not matter.
    """
    try:
        found = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=without_repeats,
            parse_constant=_not_a_number,
            parse_float=_finite,
            parse_int=_held,
        )
    except RecursionError:
        raise ValueError("it lies too deep") from None
    if not _is_within(found, _MOST_DEPTH):
        raise ValueError("it lies too deep")
    return found


def without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON; raises ValueError for a name that stands twice: one value would be lost."""
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name[:60]!r} stands twice")
        found[name] = value
    return found


def _not_a_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:20]} is too large")
    return value


def _held(digits: str) -> int:
    if len(digits) > 20 or abs(value := int(digits)) > _LARGEST_WHOLE:
        raise ValueError(f"the number {digits[:20]} is too large")
    return value


def _is_within(value: object, most: int) -> bool:
    """Whether nothing lies deeper than so many levels."""
    level = [value]
    for _depth in range(most):
        if not level:
            return True
        level = [inner for each in level for inner in _inside(each)]
    return not level


def _inside(value: object) -> list[object]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
    return []
