"""Rows that come from another machine: looked at before the workspace takes them. Needs no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.json_text import Json

_KEY, _MODEL = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-z:]{64,100}")
_TEXTS, _COUNTS = ("place", "family", "model"), ("packed_bytes", "parameters", "macs")
_NUMBERS = ("kl", "accuracy_change")
_NAMES = {*_TEXTS, *_COUNTS, *_NUMBERS, "value", "steps"}
_OF_NUMBER = {"value", "unit", "kind", "low", "high", "n", "reason", "no_interval"}
_LONGEST = 20_000


def checked_row(row: Any, key: str, parent: str) -> Json:
    """A point of a scan as plain values; raises Refused where it is none."""
    if not (_KEY.fullmatch(key) and _MODEL.fullmatch(parent) and isinstance(row, Mapping)):
        raise _no_row()
    texts = all(isinstance(row.get(name), str) for name in _TEXTS)
    counts = all(row.get(name) is None or _is_real(row.get(name)) for name in _COUNTS)
    numbers = all(_is_number(row.get(name)) for name in _NUMBERS)
    steps = row.get("steps")
    lists = isinstance(steps, list) and all(isinstance(s, Mapping) and "technique" in s for s in steps)
    if set(row) != _NAMES or not (texts and counts and numbers and lists and _is_real(row["value"])):
        raise _no_row()
    if len(repr(row)) > _LONGEST:
        raise _no_row()
    found: Json = dict(row)
    return found


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_number(said: Any) -> bool:
    """Whether a value is a number as JSON tells it."""
    if not isinstance(said, Mapping) or not set(said) <= _OF_NUMBER or "unit" not in said:
        return False
    return all(said.get(name) is None or _is_real(said.get(name)) for name in ("value", "low", "high", "n"))


def _no_row() -> Refused:
    return Refused(
        "The cluster sent a row that is no point of a scan: look whether it runs the same release as this "
        "server, then start the job again."
    )
