"""What is said of a class: how many predicted, what, and how far the class is from the outcome."""

from __future__ import annotations

from dashboard.figures.class_predictions import class_predictions
from dashboard.figures.drawn import Drawn
from dashboard.learn.classroom.classroom import Classroom
from dashboard.learn.classroom.prediction_bins import PredictionBins, prediction_bins
from dashboard.learn.lesson import Lesson
from dashboard.learn.quantity_words import WrittenUnit, quantity_label, unit_of_quantity
from dashboard.show import is_dark
from dashboard.text import _


def bins_of(classroom: Classroom, name: str, lesson: Lesson) -> PredictionBins:
    """The predictions of a lesson, counted."""
    return prediction_bins(classroom.predictions(name), lesson.prediction.low, lesson.prediction.high)


def how_many(classroom: Classroom, name: str) -> str:
    """How many of the class have committed."""
    committed, joined = len(classroom.predictions(name)), len(classroom.pupils)
    return _("{committed} of {joined} have committed").format(committed=committed, joined=joined)


def class_distance(median: float, total: int, outcome: float, unit: WrittenUnit) -> str:
    """How far the middle of a class is from the outcome, both as they are written."""
    return _("The class said {median} (median of {n}), it is {outcome}: {apart} apart.").format(
        median=unit.text(median),
        n=total,
        outcome=unit.text(outcome),
        apart=unit.difference(round(median - outcome, unit.digits)),
    )


def drawn_class(
    classroom: Classroom, name: str, lesson: Lesson, outcome: float | None = None, mine: float | None = None
) -> Drawn:
    """The histogram of a lesson's predictions; with the outcome over it once it is known."""
    bins, quantity = bins_of(classroom, name, lesson), lesson.prediction.quantity
    unit = unit_of_quantity(quantity)
    title = (
        how_many(classroom, name)
        if outcome is None or not bins.total
        else class_distance(bins.median, bins.total, outcome, unit)
    )
    label = quantity_label(quantity) + (f" ({_(unit.symbol)})" if unit.symbol else "")
    return class_predictions(
        bins.edges, bins.counts, label=label, title=title, outcome=outcome, mine=mine, dark=is_dark()
    )
