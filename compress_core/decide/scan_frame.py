"""The points of a scan as a pandas frame: the same columns in a notebook, a download and the shell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from compress_core.decide.scan_words import level_of
from compress_core.decide.sensitivity import Curve, ScanPoint

if TYPE_CHECKING:
    from compress_core.recipe.values import Step


def scan_frame(curves: Iterable[Curve]) -> pd.DataFrame:
    """A row for each point, curve by curve, from the mildest degree.

    Columns: place, family, value (see `ScanPoint`), steps, sensitivity (low, medium or high), kl with kl_low
    and kl_high in nats, accuracy_change with its interval in points, n, packed_bytes, parameters, macs, key
    (of the model), reason (why there is no kl).
    """
    frame = pd.DataFrame([_row(point) for curve in curves for point in curve.points], columns=_COLUMNS)
    return frame.astype(dict.fromkeys(_REAL, "float64") | dict.fromkeys(_WHOLE, "Int64"))


_REAL = ("value", "kl", "kl_low", "kl_high", "accuracy_change", "accuracy_change_low", "accuracy_change_high")
_WHOLE = ("n", "packed_bytes", "parameters", "macs")
_COLUMNS = [
    "place",
    "family",
    "value",
    "steps",
    "sensitivity",
    *_REAL[1:],
    *_WHOLE,
    "key",
    "reason",
]


def _row(point: ScanPoint) -> dict[str, object]:
    kl, change = point.kl, point.accuracy_change
    return {
        "place": point.place,
        "family": point.family.value,
        "value": point.value,
        "steps": "; ".join(map(_step, point.steps)),
        "sensitivity": None if kl.value is None else level_of(kl.value).value,
        "kl": kl.value,
        "kl_low": kl.low,
        "kl_high": kl.high,
        "accuracy_change": change.value,
        "accuracy_change_low": change.low,
        "accuracy_change_high": change.high,
        "n": kl.n,
        "packed_bytes": point.packed_bytes,
        "parameters": point.parameters,
        "macs": point.macs,
        "key": point.model,
        "reason": None if kl.reason is None else str(kl.reason),
    }


def _step(step: Step) -> str:
    return " ".join([step.technique, *(f"{name}={value}" for name, value in step.changed.items())])
