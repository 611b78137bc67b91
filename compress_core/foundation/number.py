"""A number as it is shown: value, interval, how many items, unit, and how it came about."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

NumberKind = Literal["measured", "estimated", "exact"]


def fixed(value: float, digits: int = 2, form: str = "") -> str:
    """A value with so many digits behind the point; nothing is written as -0.

    form: what else its format says, such as a sign (+) or thousands (,).
    """
    return f"{round(value, digits) + 0.0:{form}.{digits}f}"


def about(count: float) -> int:
    """An estimate of how many are needed, no finer than it can be: two significant digits, rounded up."""
    unit: int = 10 ** max(0, len(str(math.ceil(count))) - 2)
    return math.ceil(count / unit) * unit


@dataclass(frozen=True)
class Number:
    """One figure for a page, a file or a table; a missing one says why.

    low and high bound a 95 % interval in the unit of the value; n counts the items behind it. no_interval
    says why there is none, where one would be expected.
    """

    value: float | None
    unit: str
    kind: NumberKind
    low: float | None = None
    high: float | None = None
    n: int | None = None
    reason: str | None = None
    no_interval: str | None = None

    def __post_init__(self) -> None:
        assert (self.value is None) == (self.reason is not None), (
            "a missing value, and only that, has a reason"
        )
        assert self.no_interval is None or self.low is None, "an interval that is there needs no excuse"

    @classmethod
    def missing(cls, unit: str, reason: str, n: int | None = None) -> Number:
        """Not measured, and why."""
        return cls(None, unit, "measured", n=n, reason=reason)

    def as_json(self) -> dict[str, float | int | str | None]:
        """The form of every number in our JSON."""
        fields: dict[str, float | int | str | None] = {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "unit": self.unit,
            "kind": self.kind,
        }
        told = {"reason": self.reason, "no_interval": self.no_interval}
        return fields | {name: said for name, said in told.items() if said is not None}
