"""A review made again from its report: what was reviewed is opened by what the report says."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.apply.lineage import read_lineage
from compress_core.apply.model import Model
from compress_core.apply.run import model_of
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress, result_of
from compress_core.foundation.store import Store
from compress_core.reviews.findings import Review
from compress_core.reviews.judging import Asked, reviewed
from compress_core.reviews.looks_at_test import look_at
from compress_core.reviews.model_costs import LATENCY, LATENCY_BEFORE
from compress_core.reviews.packed_beside import FromPacked, made_of_packed
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
    other bytes when they are made again, which the last digits of another processor explain too. from_packed:
    whether the weights of a training came from the packed file, which does not tell the plain file's bytes.
    """

    differences: tuple[FieldDifference, ...]
    not_recorded: Mapping[str, object]
    other_bytes: tuple[str, ...] = ()
    from_packed: bool = False


def verified(
    report: Mapping[str, Any],
    subject: Subject,
    store: Store,
    given: FromFiles = nothing_given,
    packed: Path | None = None,
) -> Verified:
    """The report beside the same review made again.

    given: labels and subgroups, as `Asked` takes them, from the files that were read then. Times are taken
    over: they belong to the machine and the moment. packed: the model's packed file, which holds the weights
    of a training that is not kept here; then the plain file's bytes are taken over too. Raises Refused where
    the model of the report cannot be made from this one.
    """
    said = read_review(report)
    lineage = read_lineage(list(said.model.lineage))
    found = made_of_packed(packed, lineage, subject, store)
    model = model_of(subject, lineage, store) if found is None else found.model
    labels, groups = given(model)
    known = known_times(said) if found is None else {**known_times(said), **found.known(said)}
    asked = Asked(said.model.split, labels, groups, known, said.decision)
    review = result_of(_reviewed(model, said, asked, store, found))
    again = review.as_json() if found is None else found.with_sizes(review.as_json(), report)
    unknown = not_recorded(report)
    differences = field_differences(in_todays_format(report), again)
    changed = {each.path: each for each in differences if not f"{each.path}.".startswith(_within(unknown))}
    broken = {each.path: each for each in broken_seals(report)}
    all_of_them = (*changed.values(), *(each for path, each in broken.items() if path not in changed))
    found_today = MappingProxyType({path: _at(again, path) for path in unknown})
    if found is not None:
        return Verified(all_of_them, found_today, from_packed=True)
    return Verified(all_of_them, found_today, _other_bytes(said, review))


def _reviewed(
    model: Model, said: Review, asked: Asked, store: Store, found: FromPacked | None
) -> Generator[Progress, None, Review]:
    """The review made again; the look is noted where all looks are, wherever the model is computed."""
    if found is None:
        return reviewed(model, said.gates, asked, said.circumstances, store)
    look_at(model, model.subject.split(asked.split), said.gates, store)
    return reviewed(model, said.gates, asked, said.circumstances, found.store)


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
