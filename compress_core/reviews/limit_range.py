"""Where the limit of a gate may lie: what no number of its unit can ever be, no gate can ask for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase

_PER_CENT = 100
_FAR = 1e12  # further than any number that a gate is about


@dataclass(frozen=True)
class LimitRange:
    """The numbers from least to most, both of them allowed; infinite where there is no end."""

    least: float
    most: float

    def __contains__(self, limit: float) -> bool:
        return self.least <= limit <= self.most

    def as_json(self) -> list[float | None]:
        """Both ends, None for one that is not there."""
        return [end if math.isfinite(end) else None for end in (self.least, self.most)]

    def in_words(self) -> Phrase:
        """Both ends, or the only one."""
        if math.isinf(self.least):
            return Phrase("any number")
        if math.isinf(self.most):
            return Phrase("{least:,g} or more", least=self.least)
        return Phrase("from {least:,g} to {most:,g}", least=self.least, most=self.most)


_ANY = LimitRange(-math.inf, math.inf)
_SHARE, _NOT_NEGATIVE = LimitRange(0, 1), LimitRange(0, math.inf)
_RANGES: Mapping[str, LimitRange] = MappingProxyType(
    {
        "share": _SHARE,
        "points": LimitRange(-_PER_CENT, _PER_CENT),
        "nat": _NOT_NEGATIVE,
        "item": _NOT_NEGATIVE,
        "byte": _NOT_NEGATIVE,
        "ms": _NOT_NEGATIVE,
        "value": _NOT_NEGATIVE,
        "value change": LimitRange(-_FAR, _FAR),
        "cosine": LimitRange(-1, 1),
        "R squared": LimitRange(-_FAR, 1),
        "tokens": LimitRange(1, math.inf),
    }
)
_AMOUNTS: Mapping[str, str] = MappingProxyType(
    {
        "share": N_("{value} %"),
        "byte": N_("{value} bytes"),
        "item": N_("{value} items"),
        "ms": N_("{value} ms"),
        "nat": N_("{value} nat"),
        "points": N_("{value} points"),
        "cosine": N_("{value}"),
        "p": N_("p = {value}"),
        "R squared": N_("{value}"),
    }
)
_AMOUNTS_OF_ONE: Mapping[str, str] = MappingProxyType(
    {"byte": N_("{value} byte"), "item": N_("{value} item"), "points": N_("{value} point")}
)


def limit_range(unit: str) -> LimitRange:
    """Where limits in a unit lie; anywhere in one that is not known here."""
    return _RANGES.get(unit, _ANY)


def amount(value: str, unit: str) -> Phrase:
    """A value with its unit, as a text that can be translated; of a share the value is in per cent."""
    known = _AMOUNTS_OF_ONE.get(unit) if value == "1" else None
    known = known or _AMOUNTS.get(unit)
    return (
        Phrase("{value} {unit}", value=value, unit=Phrase(unit))
        if known is None
        else Phrase(known, value=value)
    )


def refuse_outside(measure: str, unit: str, allowed: LimitRange, limit: float) -> None:
    """Raises Refused for a limit that no number of a measure can ever reach, or ever miss."""
    if limit in allowed:
        return
    if allowed is _SHARE and 1 < limit <= _PER_CENT:
        raise Refused(
            "the limit of {measure} must be {allowed}, but got {got:g}: {got:g} % is written {share:g}",
            measure=measure,
            allowed=allowed.in_words(),
            got=limit,
            share=limit / _PER_CENT,
        )
    raise Refused(
        "the limit of {measure} must be {allowed} ({unit}), but got {got:g}",
        measure=measure,
        allowed=allowed.in_words(),
        unit=unit,
        got=limit,
    )
