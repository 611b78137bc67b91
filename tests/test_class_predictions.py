"""What a class predicted is counted once each, and drawn with the outcome only where that is open."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.figures.class_predictions import class_predictions
from dashboard.figures.drawn import Drawn
from dashboard.learn.classroom.class_words import class_distance
from dashboard.learn.classroom.prediction_bins import BINS, prediction_bins
from dashboard.learn.lesson_files import lessons
from dashboard.learn.quantity_words import unit_of_quantity


def drawn(**more: float) -> Drawn:
    bins = prediction_bins([10.0, 12.0, 100.0], 0, 100)
    return class_predictions(bins.edges, bins.counts, label="Accuracy (%)", title="3 of 4", **more)


@settings(max_examples=30)
@given(st.lists(st.floats(-100, 0), max_size=12))
def test_each_prediction_is_in_one_bin(predictions: list[float]) -> None:
    bins = prediction_bins(predictions, -100, 0)
    assert bins.total == len(predictions)
    for low, high, count in zip(bins.edges[:-1], bins.edges[1:], bins.counts, strict=True):
        assert count == sum(low <= p and (p < high or p == high == bins.edges[-1]) for p in predictions)


def test_bins_and_median_by_hand() -> None:
    bins = prediction_bins([0.0, 4.9, 5.0, 100.0], 0, 100)
    assert bins.counts.tolist() == [2, 1, *[0] * (BINS - 3), 1]
    assert bins.median == pytest.approx(4.95)


def test_a_class_that_predicted_nothing_has_no_median() -> None:
    assert np.isnan(prediction_bins([], 0, 100).median)
    empty = prediction_bins([], 0, 100)
    figure = class_predictions(empty.edges, empty.counts, label="x", title="0 of 0").figure
    assert figure.data[0].y.sum() == 0


@pytest.mark.parametrize("name", lessons())
def test_every_lesson_has_bins_for_all_that_can_be_predicted_in_it(name: str) -> None:
    asked = lessons()[name].prediction
    assert prediction_bins([asked.low, asked.high], asked.low, asked.high).total == 2


def test_the_outcome_is_drawn_over_the_predictions_only_where_it_is_open() -> None:
    held_back, revealed = drawn(), drawn(outcome=96.15, mine=12.0)
    assert [trace.type for trace in held_back.figure.data] == ["bar"]
    assert "96.15" not in held_back.figure.to_json() + held_back.alternative
    bars, mine, outcome = revealed.figure.data
    assert (bars.y.sum(), mine.x.tolist(), outcome.x.tolist()) == (3, [12.0], [96.15, 96.15])
    assert revealed.table["predictions"].sum() == 3
    assert "2 from 10 to 15, 1 from 95 to 100" in revealed.alternative


def test_an_outcome_outside_of_all_predictions_is_seen_as_well() -> None:
    low, high = drawn(outcome=250.0).figure.layout.xaxis.range
    assert low < 0
    assert high > 250


def test_the_distance_of_a_class_says_what_was_said_what_it_is_and_how_far_that_is() -> None:
    said = class_distance(65.0, 2, 96.15, unit_of_quantity("accuracy"))
    assert said == "The class said 65.00 % (median of 2), it is 96.15 %: 31.15 points apart."
