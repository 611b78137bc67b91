"""What a budget is estimated to cost in accuracy, and from which size on a drop should hold."""

from __future__ import annotations

from math import sqrt

from compress_core.decide.budget_curve import BudgetCurve
from compress_core.decide.estimate import Estimator
from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_

STEPS = 12  # halvings of what lies between two budgets
_NO_LABELS = N_("The items have no labels, so the scan measured no accuracy.")
_NO_INTERVAL = N_("Estimated from what each layer does alone: no interval says how layers act together.")


def estimated_change(estimator: Estimator, kl: float) -> Number:
    """Points of accuracy at a divergence in nats, as the curves have them; missing without labels."""
    change = estimator.change(kl)
    if change is None:
        return Number.missing("points", _NO_LABELS)
    return Number(change, "points", "estimated", n=estimator.items, no_interval=_NO_INTERVAL)


def smallest_within(estimator: Estimator, curve: BudgetCurve, drop: float) -> float:
    """The smallest budget of a curve at which accuracy is estimated to fall by so many points at most.

    The largest where it is estimated to hold nowhere, or nothing is known.
    """
    low, high = curve.smallest, curve.largest
    for _step in range(STEPS):
        middle = sqrt(low * high)
        choice = curve.at(middle)
        change = None if choice is None else estimator.change(choice.kl)
        if change is not None and -change <= drop:
            high = middle
        else:
            low = middle
    return high
