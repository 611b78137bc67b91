"""What a budget is estimated to cost in accuracy, and from which size on a drop should hold."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from compress_core.decide.budget_curve import BudgetCurve, Choice
from compress_core.decide.estimate import NO_ACCURACY, Estimator
from compress_core.decide.knob_positions import positions_at
from compress_core.decide.options import PlaceOptions
from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_

STEPS = 12  # halvings of what lies between two budgets
_NO_INTERVAL = N_("Estimated from what each layer does alone: no interval says how layers act together.")


def estimated_change(estimator: Estimator, places: Sequence[PlaceOptions], choice: Choice) -> Number:
    """Points of accuracy with one option for each layer; missing without labels.

    Raises Refused for a layer that was not measured.
    """
    change = _change(estimator, places, choice)
    if change is None:
        return Number.missing("points", NO_ACCURACY)
    return Number(change, "points", "estimated", n=estimator.items, no_interval=_NO_INTERVAL)


def smallest_within(estimator: Estimator, curve: BudgetCurve, drop: float) -> float:
    """The smallest budget of a curve at which accuracy is estimated to fall by so many points at most.

    The largest where it is estimated to hold nowhere, or nothing is known. Raises Refused for a layer that
    was not measured.
    """
    low, high = curve.smallest, curve.largest
    for _step in range(STEPS):
        middle = sqrt(low * high)
        choice = curve.at(middle)
        change = None if choice is None else _change(estimator, curve.places, choice)
        if change is not None and -change <= drop:
            high = middle
        else:
            low = middle
    return high


def _change(estimator: Estimator, places: Sequence[PlaceOptions], choice: Choice) -> float | None:
    chosen = zip(places, choice.options, strict=True)
    return estimator.change(
        [at for place, option in chosen for at in positions_at(place.place, option.steps)]
    )
