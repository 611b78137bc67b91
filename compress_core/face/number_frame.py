"""Numbers as a pandas frame: value, interval, how many items, and how each came about."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from compress_core.foundation.number import Number

_COLUMNS = {"value": "value", "low": "low", "high": "high", "unit": "unit", "n": "n", "kind": "how"}


def number_frame(numbers: Mapping[str, Number]) -> pd.DataFrame:
    """A row for each number, by name.

    Columns: value; low and high, its 95 % interval; unit; n, the items behind it; how (measured, estimated,
    exact, not measured); reason, why there is no value, or no interval where one would be expected.
    """
    rows = {name: _row(number) for name, number in numbers.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=[*_COLUMNS, "reason"])
    frame["n"] = frame["n"].astype("Int64")
    frame["reason"] = frame["reason"].astype(object).where(frame["reason"].notna(), None)
    return frame.rename(columns=_COLUMNS).rename_axis("number")


def _row(number: Number) -> dict[str, float | int | str | None]:
    """What is missing was not measured, whatever it would have been."""
    said = {"reason": number.no_interval, **number.as_json()}
    return said if number.value is not None else {**said, "kind": "not measured"}
