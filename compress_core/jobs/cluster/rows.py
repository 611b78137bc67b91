"""Rows that come from another machine: looked at before the workspace takes them. Needs no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.json_text import Json
from compress_core.foundation.workspace.scan_points import NUMBERS

_KEY, _MODEL = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-z:]{64,100}")
_TEXTS, _COUNTS = ("place", "family", "model"), ("packed_bytes", "parameters", "macs")
_NUMBERS = ("kl", "accuracy_change")
_OBJECTIVES = {"accuracy", "kl", "packed_bytes", "macs"}
_NAMES = {*_TEXTS, *_COUNTS, *_NUMBERS, "value", "steps"}
_OF_NUMBER = {"value", "unit", "kind", "low", "high", "n", "reason", "no_interval"}
_LONGEST = 20_000


def checked_row(row: Any, key: str, parent: str) -> Json:
    """A point of a scan, or the numbers of a recipe, as plain values; raises Refused where it is neither."""
    if not (_KEY.fullmatch(key) and _MODEL.fullmatch(parent) and isinstance(row, Mapping)):
        raise _no_row()
    if not (_is_run(row) or _is_point(row)) or len(repr(row)) > _LONGEST:
        raise _no_row()
    found: Json = dict(row)
    return found


def _is_run(row: Mapping[str, Any]) -> bool:
    said = row.get(NUMBERS)
    if set(row) != {NUMBERS} or not isinstance(said, Mapping) or set(said) != _OBJECTIVES:
        return False
    return all(_is_number(number) for number in said.values())


def _is_point(row: Mapping[str, Any]) -> bool:
    texts = all(isinstance(row.get(name), str) for name in _TEXTS)
    counts = all(row.get(name) is None or _is_real(row.get(name)) for name in _COUNTS)
    numbers = all(_is_number(row.get(name)) for name in _NUMBERS)
    steps = row.get("steps")
    lists = isinstance(steps, list) and all(isinstance(s, Mapping) and "technique" in s for s in steps)
    return set(row) == _NAMES and texts and counts and numbers and lists and _is_real(row["value"])


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_number(said: Any) -> bool:
    """Whether a value is a number as JSON tells it."""
    if not isinstance(said, Mapping) or not set(said) <= _OF_NUMBER or "unit" not in said:
        return False
    return all(said.get(name) is None or _is_real(said.get(name)) for name in ("value", "low", "high", "n"))


def _no_row() -> Refused:
    return Refused(
        "The cluster sent a row that is neither a point of a scan nor a recipe's numbers: look whether it "
        "runs the same release as this server, then start the job again."
    )
