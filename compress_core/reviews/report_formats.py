"""Reports of earlier formats, which are kept for years: each is lifted by one, until it is of today's.

Whoever changes the fields of a report raises `FORMAT`, and says in `lifted_by_one` what the format before did
not record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.reviews.findings import BECAUSE, FORMAT

OLDEST = 1


def lifted_by_one(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same report in the format that came next; what its own had no place for is None, or follows.

    Raises Refused for a field that only came with that one.
    """
    match content["format"]:
        case 1:
            around = _with_new(content["circumstances"], "no_command", "")
            return {**_with_new(content, BECAUSE, None), "circumstances": around, "format": 2}
        case 2:
            return {**content, "model": _with_new(content["model"], "remarks", None), "format": 3}
        case 3:
            decided = _with_new(content["decision"], "files", None)
            return {**_with_new(content, "files", None), "decision": decided, "format": 4}
    raise AssertionError("every format but today's has a next one")


def _with_new(content: Mapping[str, Any], name: str, value: object) -> dict[str, Any]:
    """The content with a field that its format had no place for; raises Refused where it is there already."""
    if name in content:
        raise Refused(
            "The report says that it is of an earlier format, which had no field {name!r}, but it has one: "
            "get it again from whoever made it.",
            name=name,
        )
    return {name: value, **content}


def in_todays_format(content: Mapping[str, Any]) -> dict[str, Any]:
    """A report as today's release would have written it, had it known no more; raises Refused.

    A damaged one may raise KeyError or TypeError instead.
    """
    refuse_unread_format(content)
    lifted = dict(content)
    while lifted["format"] != FORMAT:
        lifted = lifted_by_one(lifted)
    return lifted


def not_recorded(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields, by their paths, of which a report of this format says nothing: not that they are empty."""
    return tuple(_added(content, in_todays_format(content)))


def _added(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, value in after.items():
        if name not in before and value is None:
            yield f"{path}{name}"
        elif name in before and isinstance(value, dict):
            yield from _added(before[name], value, f"{path}{name}.")


def refuse_unread_format(report: Mapping[str, Any]) -> None:
    """Raises Refused for what is no report, or one that only a newer release reads."""
    found = report.get("format")
    if type(found) is not int or found < OLDEST:
        raise Refused("This is no report of slimscope review that this release reads: give its JSON file.")
    if found > FORMAT:
        raise Refused(
            "This report is of format {got}, and this release reads formats {oldest} to {newest}: verify it "
            "with a newer slimscope.",
            got=found,
            oldest=OLDEST,
            newest=FORMAT,
        )
