"""The live part of a lesson: one slider on the real model, and the outcome drawn over the prediction."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from compress_core.foundation.csv_table import Provenance
from compress_core.foundation.number import Number
from dashboard.figures.drawn import Drawn
from dashboard.figures.predicted_outcome import MeasuredCurve, predicted_outcome
from dashboard.learn.classroom.class_words import class_distance
from dashboard.learn.lesson import Lesson, Quantity
from dashboard.learn.lesson_numbers import SPLIT, number_at, subject_split
from dashboard.learn.lesson_progress import keep_progress, progress_in
from dashboard.learn.quantity_words import (
    distance_in_words,
    quantity_label,
    unit_of_quantity,
    written_text,
)
from dashboard.limits_box import locked_note
from dashboard.link_limits import limits
from dashboard.live_slider.live_slider import live_slider
from dashboard.live_slider.live_table import LiveTable, Readout
from dashboard.show import figure, is_dark, kept
from dashboard.text import _


def place_of_knob(name: str, lesson: Lesson) -> float:
    """Where the knob of this visitor stands: at first where the prediction was asked for."""
    place = progress_in(name).place
    return lesson.prediction.at if place is None else place


def draw(name: str, lesson: Lesson) -> None:
    """The slider with its readouts, and the curve below it."""
    knob = lesson.knob
    live_slider(
        _(knob.label),
        LiveTable(np.array(knob.places), tuple(_readout(lesson, quantity) for quantity in lesson.readouts)),
        value=place_of_knob(name, lesson),
        key=f"learn.{name}.knob",
        unit=knob.unit,
        factor=knob.factor,
        text_of=knob.text_at,
        help=_("The readouts are those of the real model at each place; they move while you drag."),
        disabled="knob" in limits().locked,
        on_change=partial(_moved, name),
    )
    if "knob" in limits().locked:
        locked_note()
    progress, here = progress_in(name), place_of_knob(name, lesson)
    content = f"{name}:{here}:{progress.predicted}:{progress.median_of}"
    drawn = kept("learn.outcome", content, partial(_drawn, name, lesson, here))
    of = Provenance(lesson.model, f"lesson {name}", SPLIT, len(subject_split(lesson)))
    figure(drawn, f"learn.{name}.outcome", of)


def _drawn(name: str, lesson: Lesson, here: float) -> Drawn:
    places = lesson.knob.places
    return predicted_outcome(
        _curve(lesson),
        asked=places.index(lesson.prediction.at),
        predicted=progress_in(name).predicted,
        whose=_("median of the class") if progress_in(name).median_of else _("your prediction"),
        here=places.index(here),
        title=distance(name, lesson),
        dark=is_dark(),
    )


def distance(name: str, lesson: Lesson) -> str:
    """How far this visitor's prediction, or the teacher's class, is from the outcome."""
    asked = lesson.prediction
    unit = unit_of_quantity(asked.quantity)
    outcome = outcome_written(lesson)
    progress = progress_in(name)
    if progress.predicted is None:  # of a link that reveals at once
        return _("What came out: {outcome}.").format(outcome=unit.text(outcome))
    if progress.median_of:
        return class_distance(progress.predicted, progress.median_of, outcome, unit)
    return distance_in_words(progress.predicted, outcome, asked.near, unit)


def outcome_written(lesson: Lesson) -> float:
    """What came out where the prediction was asked for, as a visitor writes it."""
    asked = lesson.prediction
    return unit_of_quantity(asked.quantity).written(number_at(lesson, asked.quantity, asked.at))


def _moved(name: str, place: float) -> None:
    keep_progress(name, replace(progress_in(name), place=place))


def _readout(lesson: Lesson, quantity: Quantity) -> Readout:
    numbers = [number_at(lesson, quantity, place) for place in lesson.knob.places]
    unit = unit_of_quantity(quantity)
    counted = next((number.n for number in numbers if number.n is not None), None)
    return Readout(
        quantity_label(quantity),
        "",
        np.array([unit.written(number) for number in numbers]),
        kind=numbers[0].kind,
        text=unit.text,
        note="" if counted is None else _("N = {n}, {split} split").format(n=f"{counted:,}", split=_(SPLIT)),
    )


def _curve(lesson: Lesson) -> MeasuredCurve:
    quantity, unit = lesson.prediction.quantity, unit_of_quantity(lesson.prediction.quantity)
    numbers = [number_at(lesson, quantity, place) for place in lesson.knob.places]
    return MeasuredCurve(
        quantity_label(quantity),
        _(unit.symbol),
        _(lesson.knob.label),
        [lesson.knob.text_at(place) for place in lesson.knob.places],
        np.array([unit.written(number) for number in numbers]),
        np.array([_bound(number.low, unit.factor) for number in numbers]),
        np.array([_bound(number.high, unit.factor) for number in numbers]),
    )


def _bound(bound: float | None, factor: float) -> float:
    return np.nan if bound is None else bound * factor


def goal_is_reached(name: str, lesson: Lesson) -> bool:
    """Whether everything that the exercise asks for holds where the knob stands."""
    return all(
        bound.holds(unit_of_quantity(bound.quantity).written(at_knob(name, lesson, bound.quantity)))
        for bound in lesson.goal
    )


def at_knob(name: str, lesson: Lesson, quantity: Quantity) -> Number:
    """A quantity where the knob stands."""
    return number_at(lesson, quantity, place_of_knob(name, lesson))


def goal_lines(name: str, lesson: Lesson) -> list[str]:
    """What the exercise asks for, and how each of it stands now."""
    lines = []
    for bound in lesson.goal:
        unit = unit_of_quantity(bound.quantity)
        now = at_knob(name, lesson, bound.quantity)
        wanted = [
            _("at least {bound}").format(bound=unit.text(bound.low)) if bound.low is not None else "",
            _("at most {bound}").format(bound=unit.text(bound.high)) if bound.high is not None else "",
        ]
        sign = (
            ":material/check_circle:"
            if bound.holds(unit.written(now))
            else ":material/radio_button_unchecked:"
        )
        said = _("{quantity} {wanted}; now {now}").format(
            quantity=quantity_label(bound.quantity),
            wanted=", ".join(filter(None, wanted)),
            now=written_text(bound.quantity, now),
        )
        lines.append(f"{sign} {said}")
    return lines
