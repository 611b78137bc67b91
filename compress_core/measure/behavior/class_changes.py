"""What each class lost or won, as numbers: what cannot be told of it is missing, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compress_core.foundation.number import Number
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.mean_number import ALONE
from compress_core.numerics.intervals import wilson


@dataclass(frozen=True)
class ClassNumbers:
    """One class, or one label of several: index says which, n how many decisions it has.

    before, after: accuracy; change: in points, with the interval that holds together with those of all other
    classes; p: exact McNemar; p_holm: adjusted for the number of classes.
    """

    index: int
    n: int
    before: Number
    after: Number
    change: Number
    p: Number
    p_holm: Number


def class_changes(comparison: Comparison) -> tuple[ClassNumbers, ...]:
    """A row for each class with items, the worst change first; none without labels.

    Places of one sequence are not independent of one another: intervals and p are missing for those.
    """
    if not comparison.has_labels:
        return ()
    rows = comparison.per_class().to_dict("records")
    read = _row if comparison.classes_are_independent else _row_alone
    return tuple(read(row) for row in rows)


def _row(row: Mapping[Any, Any]) -> ClassNumbers:
    n = int(row["n"])
    ends = float(row["low"]), float(row["high"])
    return ClassNumbers(
        index=int(row["class"]),
        n=n,
        before=_share(float(row["accuracy_before"]), n),
        after=_share(float(row["accuracy_after"]), n),
        change=Number(float(row["change"]), "points", "measured", *ends, n),
        p=Number(float(row["p"]), "p", "measured", n=n),
        p_holm=Number(float(row["p_holm"]), "p", "measured", n=n),
    )


def _share(value: float, n: int) -> Number:
    low, high = wilson(round(value * n), n)
    return Number(value, "share", "measured", float(low), float(high), n)


def _row_alone(row: Mapping[Any, Any]) -> ClassNumbers:
    n = int(row["n"])

    def number(name: str, unit: str) -> Number:
        return Number(float(row[name]), unit, "measured", n=n, no_interval=ALONE)

    return ClassNumbers(
        index=int(row["class"]),
        n=n,
        before=number("accuracy_before", "share"),
        after=number("accuracy_after", "share"),
        change=number("change", "points"),
        p=Number.missing("p", ALONE, n),
        p_holm=Number.missing("p", ALONE, n),
    )
