"""The figures of the page Deploy: what they draw, say and offer, without a browser."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboard.figures.drawn import Drawn
from dashboard.figures.latency_bars import TimedBar, latency_bars
from dashboard.figures.size_bars import Way, bytes_side_by_side
from dashboard.text import use_language

HOSTILE = "<img src=x onerror=alert(1)>&%{x}$a$"
WAYS = [
    Way("Original file", 4096, is_original=True),
    Way("Dense", 4000),
    Way("Dense, gzip", 1000, is_zipped=True),
    Way(HOSTILE, 512),
    Way("Packed file", None),
]


def timed(runtime: str, batch: int, ms: float, faster: float | None = None, low: float = 0.0) -> TimedBar:
    if faster is None:
        return TimedBar(runtime, True, batch, ms, 0.9 * ms, 1.2 * ms)
    return TimedBar(runtime, False, batch, ms, 0.9 * ms, 1.2 * ms, faster, low, 1.1 * faster)


TIMES = [
    timed("torch", 1, 1.0),
    timed("torch", 1, 0.5, 2.0, 1.8),
    timed(HOSTILE, 1, 0.4, 2.5, 0.9),
    timed("torch", 32, 8.0),
    timed("torch", 32, 2.0, 4.0, 3.5),
]
DRAWN = {
    "sizes": lambda dark: bytes_side_by_side(WAYS, dark=dark),
    "latency": lambda dark: latency_bars(TIMES, dark=dark),
}


def texts(drawn: Drawn) -> str:
    return " ".join(str(a.text) for a in drawn.figure.layout.annotations)


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("dark", [False, True])
def test_a_hostile_name_never_becomes_markup_or_a_template(name: str, dark: bool) -> None:
    content = DRAWN[name](dark).figure.to_json()
    assert "<img" not in content.replace("\\u003c", "<")
    assert "&%{x}" not in content


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_figure_has_title_units_and_an_alternative_with_numbers(name: str, language: str) -> None:
    with use_language(language):
        drawn = DRAWN[name](False)
    assert "<b>" in drawn.figure.layout.title.text
    assert drawn.figure.layout.xaxis.title.text
    assert any(c.isdigit() for c in drawn.alternative)


@pytest.mark.parametrize("name", DRAWN)
def test_light_and_dark_have_the_same_table(name: str) -> None:
    pd.testing.assert_frame_equal(DRAWN[name](False).table, DRAWN[name](True).table)


def test_a_file_that_was_not_made_has_no_bar_and_says_so() -> None:
    drawn = bytes_side_by_side(WAYS)
    assert drawn.figure.data[0].x[-1] == 0
    assert "not made yet" in texts(drawn)
    assert "Packed" not in drawn.alternative
    assert drawn.table["bytes"].isna().tolist() == [False, False, False, False, True]


def test_the_smallest_way_is_in_the_title_with_how_many_times_smaller() -> None:
    assert "At best 8.0 times smaller" in bytes_side_by_side(WAYS).figure.layout.title.text


@pytest.mark.parametrize("size", [4000, 4096, 8000])
def test_a_model_of_about_the_same_size_is_not_called_smaller(size: int) -> None:
    ways = [WAYS[0], Way("Dense", size)]
    assert "about as large" in bytes_side_by_side(ways).figure.layout.title.text


def test_the_title_names_the_fastest_runtime_that_is_surely_faster() -> None:
    title = latency_bars(TIMES).figure.layout.title.text
    assert "4.0 times faster: torch, batch of 32" in title


def test_a_ratio_whose_interval_holds_one_is_not_called_faster() -> None:
    unsure = [timed("torch", 1, 1.0), timed("torch", 1, 0.5, 2.0, 0.9)]
    assert "In no runtime" in latency_bars(unsure).figure.layout.title.text


def test_each_batch_size_has_its_own_axis_and_the_bars_of_a_runtime_share_a_row() -> None:
    figure = latency_bars(TIMES).figure
    assert {trace.xaxis for trace in figure.data} == {"x", "x2"}
    places = {(trace.xaxis, trace.name): trace.y.tolist() for trace in figure.data}
    assert places["x", "original"] == places["x2", "original"] == [0]
    assert places["x", "compressed"] == [1, 2]


def test_whiskers_reach_from_the_lower_to_the_upper_end_of_the_interval() -> None:
    trace = latency_bars(TIMES).figure.data[0]
    np.testing.assert_allclose(trace.x - trace.error_x.arrayminus, [0.9])
    np.testing.assert_allclose(trace.x + trace.error_x.array, [1.2])


def test_nothing_measured_still_draws() -> None:
    assert latency_bars([]).figure.layout.title.text
