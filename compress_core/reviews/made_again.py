"""A review made again from its report: what was reviewed is opened by what the report says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.apply.lineage import read_lineage
from compress_core.apply.model import Model
from compress_core.apply.run import model_of
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.reviews.findings import Review
from compress_core.reviews.judging import Asked, reviewed
from compress_core.reviews.model_costs import LATENCY, LATENCY_BEFORE
from compress_core.reviews.report_formats import in_todays_format, not_recorded
from compress_core.reviews.seals import SEALS, FieldDifference, broken_seals, field_differences
from compress_core.subject.subject import Subject

FromFiles = Callable[[Model], tuple[NDArray[np.int64] | None, NDArray[np.str_] | None]]


def nothing_given(_model: Model) -> tuple[None, None]:
    """No labels and no subgroups beside the items."""
    return None, None


def read_review(report: Mapping[str, Any]) -> Review:
    """The review that a report holds, of any format until today's; raises Refused where it is damaged."""
    content = {name: value for name, value in report.items() if name != SEALS}
    try:
        return Review.from_json(in_todays_format(content))
    except Refused:
        raise
    except (TypeError, KeyError, ValueError, AttributeError, AssertionError) as error:
        raise Refused(
            "The report is damaged ({reason}): get it again from whoever made it.",
            reason=" ".join(str(error).split())[:200],
        ) from None


@dataclass(frozen=True)
class Verified:
    """What a report says otherwise than it is found, and by their paths what is found of fields it lacks.

    differences: fields with a broken seal, and fields that come out otherwise when the review is made again.
    not_recorded: what its format had no place for, and so differs from nothing. other_bytes: files that have
    other bytes when they are made again, which the last digits of another processor explain too.
    """

    differences: tuple[FieldDifference, ...]
    not_recorded: Mapping[str, object]
    other_bytes: tuple[str, ...] = ()


def verified(
    report: Mapping[str, Any], subject: Subject, store: Store, given: FromFiles = nothing_given
) -> Verified:
    """The report beside the same review made again.

    given: labels and subgroups, as `Asked` takes them, from the files that were read then. Times are taken
    over: they belong to the machine and the moment. Raises Refused where the model of the report cannot be
    made from this one.
    """
    said = read_review(report)
    model = model_of(subject, read_lineage(list(said.model.lineage)), store)
    labels, groups = given(model)
    asked = Asked(said.model.split, labels, groups, known_times(said), said.decision)
    review = result_of(reviewed(model, said.gates, asked, said.circumstances, store))
    again = review.as_json()
    unknown = not_recorded(report)
    differences = field_differences(in_todays_format(report), again)
    found = {each.path: each for each in differences if not f"{each.path}.".startswith(_within(unknown))}
    broken = {each.path: each for each in broken_seals(report)}
    all_of_them = (*found.values(), *(each for path, each in broken.items() if path not in found))
    found_today = MappingProxyType({path: _at(again, path) for path in unknown})
    return Verified(all_of_them, found_today, _other_bytes(said, review))


def _other_bytes(said: Review, again: Review) -> tuple[str, ...]:
    """The files that both list, with other bytes."""
    before = {file.name: file.sha256 for file in said.files or ()}
    return tuple(file.name for file in again.files or () if before.get(file.name, file.sha256) != file.sha256)


def _within(paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{path}." for path in paths)


def _at(content: Mapping[str, Any], path: str) -> object:
    first, *inner = path.split(".", 1)
    return _at(content[first], inner[0]) if inner else content[first]


def known_times(said: Review) -> dict[str, Number]:
    """The times that a review measured; raises Refused where it does not say whether it did."""
    row = next((row for row in said.times if row.name == LATENCY), None)
    if row is None:
        raise Refused(
            "The report is damaged (its times do not name {name}): get it again from whoever made it.",
            name=LATENCY,
        )
    measured = {LATENCY: row.after, LATENCY_BEFORE: row.before}
    return {name: number for name, number in measured.items() if number.value is not None}
