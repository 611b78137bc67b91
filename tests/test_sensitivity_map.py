"""The map of a scan: its columns stand where the knob stands, also where points are missing."""

from __future__ import annotations

import numpy as np
import pytest

from compress_core.decide.family import Family
from compress_core.decide.sensitivity import Curve, ScanPoint
from compress_core.foundation.number import Number
from compress_core.recipe.values import Step
from dashboard.figures.sensitivity_curves import sensitivity_curves, sensitivity_map

KL = Number(0.01, "nat", "measured", 0.008, 0.012, 500)
UNKNOWN = Number.missing("nat", "It is locked.")
CHANGE = Number(0.0, "points", "measured", -1.0, 1.0, 500)
STEPS = (Step.of("uniform", bits=4),)


def curve(place: str, family: Family, *values: float) -> Curve:
    points = (ScanPoint(place, family, value, STEPS, "key", KL, CHANGE, 1, 1, 1) for value in values)
    return Curve(place, family, tuple(points))


def locked(place: str, family: Family) -> Curve:
    return Curve(place, family, (ScanPoint(place, family, 0.0, (), "key", UNKNOWN, CHANGE, 1, 1, 1),))


@pytest.mark.parametrize(
    ("curves", "names"),
    [
        ([curve("a", Family.BITS, 8, 6, 4), curve("b", Family.BITS, 4)], ("8", "6", "4")),
        ([curve("a", Family.PRUNE, 0.3), curve("b", Family.PRUNE, 0.685)], ("30.0 %", "68.5 %")),
        ([curve("a", Family.BITS, 8), locked("b", Family.BITS)], ("8",)),
        ([curve("a", Family.RANK, 9, 5), curve("b", Family.RANK, 9, 5)], ("9", "5")),
        ([curve("a", Family.RANK, 9, 5), curve("b", Family.RANK, 7, 3)], None),
        ([curve("a", Family.STRUCTURE, 0.5), curve("b", Family.STRUCTURE, 0.6)], None),
        ([locked("a", Family.BITS)], None),
    ],
)
def test_columns_say_where_the_knob_stands_where_it_stands_alike(
    curves: list[Curve], names: tuple[str, ...] | None
) -> None:
    assert sensitivity_map(curves).figure.layout.xaxis.ticktext == names


def test_a_point_stands_below_its_own_value_where_milder_ones_are_missing() -> None:
    found = sensitivity_map([curve("a", Family.BITS, 8, 6, 4), curve("b", Family.BITS, 4)]).figure.data[0]
    assert np.isnan(found.z).tolist() == [[False] * 3, [True, True, False]]
    assert found.customdata[1, 0].tolist() == ["–", "not measured", "not measured", "–", "b"]
    assert found.customdata[1, 2, 0] == "4 bits"


@pytest.mark.parametrize(
    ("family", "known", "tried"),
    [
        (Family.RANK, (7, 2), {"a": (9, 5, 3), "b": (8, 7, 4, 2)}),
        (Family.STRUCTURE, (0.25, 0.75), {"a": (0.2, 0.4), "b": (0.125, 0.25, 0.5, 0.75)}),
    ],
)
def test_a_point_stands_at_its_own_degree_while_others_of_its_place_are_missing(
    family: Family, known: tuple[float, ...], tried: dict[str, tuple[float, ...]]
) -> None:
    curves = [curve("a", family, *tried["a"]), curve("b", family, *known)]
    found = sensitivity_map(curves, tried).figure.data[0]
    own = len(tried["a"])
    assert np.isnan(found.z).tolist() == [[column >= own for column in range(4)], [True, False, True, False]]
    assert found.customdata[1, 0, 1] == "not measured"
    if family is Family.RANK:
        assert found.customdata[1, 1, 0] == "rank 7"
        drawn = {line.name: [*line.x] for line in sensitivity_curves(curves, tried).figure.data}
        assert drawn == {"a": [1, 2, 3], "b": [2, 4]}


def test_a_degree_that_only_another_scan_tried_stands_among_the_others() -> None:
    curves, tried = [curve("a", Family.RANK, 9, 6, 3)], {"a": (9, 5, 3)}
    assert sensitivity_map(curves, tried).figure.layout.xaxis.ticktext == ("9", "6", "5", "3")


def test_a_row_whose_missing_degrees_nobody_knows_is_drawn_once_it_is_whole() -> None:
    def is_drawn(*known: float) -> list[bool]:
        curves = [curve("a", Family.STRUCTURE, 0.2, 0.4), curve("b", Family.STRUCTURE, *known)]
        return [not missing for missing in np.isnan(sensitivity_map(curves).figure.data[0].z[1])]

    assert is_drawn(0.5) == [False, False]
    assert is_drawn(0.25, 0.5) == [True, True]


def test_the_words_of_both_limits_stand_beside_the_curves_not_among_them() -> None:
    figure = sensitivity_curves([curve("a", Family.BITS, 8, 6)]).figure
    assert {note.text for note in figure.layout.annotations} == {"low<br>&lt; 0.01", "high<br>≥ 0.1"}
    assert {(note.x, note.xref, note.xanchor) for note in figure.layout.annotations} == {(1, "paper", "left")}
    assert figure.layout.margin.r >= 50


def test_a_map_of_one_place_is_high_enough_for_its_color_bar() -> None:
    few, many = (
        sensitivity_map([curve(f"{n}", Family.BITS, 8) for n in range(places)]).figure.layout.height
        for places in (1, 20)
    )
    assert 300 <= few < many
