"""A report against itself, and against the same review made again: which fields differ.

Every field has a seal, a digest of its path and value, so that a digit changed by accident or by hand is
named even where nothing can be computed again, as in a date or a measured time. Seals are no signature:
whoever makes new seals too is found only where a field is computed again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.reviews.report_formats import refuse_unread_format

SEALS = "seals"
WHOLE = ("flips.",)  # rows that are sealed as one: there may be thousands
APART = ("looks.", "circumstances.", "decision.", "files", f"{SEALS}.")
"""What belongs to one moment and one machine: it is not computed again. Files are compared as they are."""
SAME = 1e-6  # of a value: other processors round the last bits otherwise


@dataclass(frozen=True)
class FieldDifference:
    """One field that does not say what it said, or not what is found now."""

    path: str
    said: object
    found: object
    broken_seal: bool = False


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a report with the seals of its fields."""
    return {**content, SEALS: {path: _seal(path, value) for path, value in _units(content)}}


def broken_seals(report: Mapping[str, Any]) -> list[FieldDifference]:
    """Fields that do not fit their seals, have none, or are gone. Raises Refused for what is no report."""
    refuse_unread_format(report)
    if not isinstance(report.get(SEALS), dict):
        raise Refused("This report has no seals: give the JSON file that slimscope review wrote.")
    seals = dict(report[SEALS])
    content = {name: value for name, value in report.items() if name != SEALS}
    found = [
        FieldDifference(path, value, None, broken_seal=True)
        for path, value in _units(content)
        if seals.pop(path, None) != _seal(path, value)
    ]
    return [*found, *(FieldDifference(path, None, None, broken_seal=True) for path in seals)]


def field_differences(said: Mapping[str, Any], found: Mapping[str, Any]) -> list[FieldDifference]:
    """Fields of a report that are computed again and come out otherwise; both as plain values."""
    before, after = dict(_leaves(said)), dict(_leaves(found))
    paths = [path for path in {**before, **after} if not path.startswith(APART)]
    return [
        FieldDifference(path, before.get(path), after.get(path))
        for path in paths
        if path not in before or path not in after or not _same(before[path], after[path])
    ]


def computed_again(report: Mapping[str, Any]) -> int:
    """How many fields of a report are computed again."""
    return sum(not path.startswith(APART) for path, _ in _leaves(report))


def _same(said: object, found: object) -> bool:
    if isinstance(said, float) or isinstance(found, float):
        numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (said, found))
        return numbers and math.isclose(said, found, rel_tol=SAME, abs_tol=1e-12)  # type: ignore[arg-type]
    return type(said) is type(found) and said == found


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every value that holds no others, by its path; an empty list or mapping is one too."""
    match value:
        case dict() if value:
            for name, inner in value.items():
                yield from _leaves(inner, f"{path}.{name}" if path else str(name))
        case list() if value:
            for index, inner in enumerate(value):
                yield from _leaves(inner, f"{path}.{index}")
        case _:
            yield path, value


def _units(content: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What is sealed: every leaf, and rows of long tables."""
    yield from _leaves({n: v for n, v in content.items() if not f"{n}.".startswith(WHOLE)})
    for name in (whole.rstrip(".") for whole in WHOLE):
        yield from ((f"{name}.{index}", row) for index, row in enumerate(content.get(name, ())))


def _seal(path: str, value: object) -> str:
    said = json.dumps([path, value], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()[:16]
