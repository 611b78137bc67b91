"""Words for what a place bears, with their borders; what noise does to a curve, in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from itertools import pairwise

from compress_core.decide.sensitivity import Curve, ScanPoint
from compress_core.foundation.number import Number, fixed
from compress_core.foundation.texts import N_, Phrase
from compress_core.subject.answer_kind import AnswerKind

LOW_BELOW, HIGH_FROM = 0.01, 0.1
"""Nats of mean KL divergence: below the first answers hardly change, from the second on many do."""
_OF_VALUES = N_(
    "KL of real numbers is that of two normal distributions about both answers, with the variance of the "
    "answers before on these items: (a - b)² / (2 variance), Kullback 1959. So 0.01 nat is a shift of a "
    "seventh of their standard deviation, 0.1 nat one of 45 %."
)


def meant_by_kl(kind: AnswerKind) -> Phrase | None:
    """What a divergence is of answers that are no probabilities; None where nothing is to say."""
    return Phrase(_OF_VALUES) if kind is AnswerKind.VALUES else None


class Level(StrEnum):
    """How sensitive a place is at one degree."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def label(self) -> Phrase:
        """The word to show, which can be translated."""
        return Phrase(_LABELS[self])


_LABELS = {Level.LOW: N_("low"), Level.MEDIUM: N_("medium"), Level.HIGH: N_("high")}


def level_of(kl: float) -> Level:
    """The word for a divergence in nats."""
    return Level.LOW if kl < LOW_BELOW else Level.MEDIUM if kl < HIGH_FROM else Level.HIGH


def is_decided(kl: Number) -> bool:
    """Whether the whole interval says the same word."""
    return kl.low is not None and kl.high is not None and level_of(kl.low) is level_of(kl.high)


def middle_of(curve: Curve) -> ScanPoint | None:
    """The measured point nearest to the middle degree, the milder of two; None where none was measured."""
    middle = (len(curve.points) - 1) / 2
    measured = [(abs(i - middle), i, point) for i, point in enumerate(curve.points) if point.is_measured]
    return min(measured, key=lambda found: found[:2])[2] if measured else None


def by_hurt(curves: Iterable[Curve]) -> tuple[Curve, ...]:
    """The curves in the order of the divergence at their middle degree, the worst first, unmeasured last."""
    return tuple(sorted(curves, key=_hurt))


def _hurt(curve: Curve) -> tuple[float, str, str]:
    point = middle_of(curve)
    kl = None if point is None else point.kl.value
    return (1.0 if kl is None else -kl, curve.place, curve.family.value)


def notes_on(curve: Curve) -> tuple[Phrase, ...]:
    """What about a curve looks wrong, and why it need not be."""
    return (*_gains(curve), *_falls(curve))


def _gains(curve: Curve) -> Iterable[Phrase]:
    for point in curve.points:
        change = point.accuracy_change
        if change.value is None or change.low is None or change.value <= 0:
            continue
        values = {"place": curve.place, "change": fixed(change.value, 2, "+"), "n": change.n or 0}
        if change.low <= 0:
            yield Phrase(
                "{place}: {change} points of accuracy on N = {n:,} items is within its interval around 0: "
                "answers changed in both directions, and more of them for the better by chance.",
                **values,
            )
        else:
            yield Phrase(
                "{place}: {change} points of accuracy on N = {n:,} items lies above 0 with its whole "
                "interval: a mild step can take away what the network learned by heart.",
                **values,
            )


def _falls(curve: Curve) -> Iterable[Phrase]:
    measured = [point for point in curve.points if point.kl.value is not None]
    for milder, harder in pairwise(measured):
        before, after = milder.kl, harder.kl
        if before.value is None or after.value is None or after.value >= before.value:
            continue
        within = before.low is None or after.high is None or before.low <= after.high
        values = {"place": curve.place, "before": f"{before.value:.2g}", "after": f"{after.value:.2g}"}
        if within:
            yield Phrase(
                "{place}: the divergence falls from {before} to {after} nats at the harder degree; the "
                "intervals overlap, so that this is noise.",
                **values,
            )
        else:
            yield Phrase(
                "{place}: the divergence falls from {before} to {after} nats at the harder degree, beyond "
                "the intervals: a grid or a choice of weights happens to fit better there.",
                **values,
            )
