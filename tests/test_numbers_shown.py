"""What stands beside a number on a page, in a frame and in a file: its interval, or why there is none."""

from __future__ import annotations

import re

import pytest

from compress_core.cli import printing
from compress_core.face.number_frame import number_frame
from compress_core.foundation.number import Number, about
from compress_core.foundation.plain_json import number_as_json, number_from_json
from compress_core.foundation.texts import Phrase
from compress_core.reviews.limit_range import amount
from dashboard.figures.words import counted_models, percent, short, signed, whole
from dashboard.show import interval_text, number_text, said_of, with_interval

FEW = Number(
    0.25, "nat", "measured", n=20, no_interval=Phrase("An interval needs N >= {least:,}.", least=500)
)


def test_beside_a_number_stands_its_interval_or_why_there_is_none() -> None:
    assert said_of(Number(1.0, "points", "measured", -0.5, 2.5)) == "[-0.50, +2.50]"
    assert said_of(Number.missing("nat", "The items have no labels.")) == "The items have no labels."
    assert said_of(FEW) == "An interval needs N >= 500."


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (Number(9.1e-06, "nat", "measured", 4.12e-06, 2.3e-05), "[4.12e-06, 2.3e-05]"),
        (Number(0.034, "ms", "measured", 0.0331, 0.0357), "[0.0331, 0.0357]"),
        (Number(0.5, "share", "measured", 0.25, 0.75), "[25.00, 75.00] %"),
        (Number(1.5, "ratio", "measured", 1.25, 2.0), "[1.25, 2.00]"),
    ],
    ids=lambda value: value.unit if isinstance(value, Number) else "",
)
def test_the_ends_of_an_interval_are_as_fine_as_the_number(number: Number, shown: str) -> None:
    """A divergence of 9e-6 stood between 0.00 and 0.00."""
    assert interval_text(number) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (Number(0.5, "share", "measured", 0.25, 0.75), "50.00 % [25.00, 75.00]"),
        (Number(0.064, "p", "measured"), "p = 0.064"),
        (Number(3e-9, "p", "measured"), "p < 0.0001"),
        (Number(0.98765, "rank correlation", "measured"), "0.9877"),
        (Number(0.98765, "similarity", "measured"), "0.988"),
    ],
)
def test_a_unit_is_said_once_and_what_has_none_gets_none(number: Number, shown: str) -> None:
    """A p stood as 0.064 p, and per cent behind the value and behind its interval."""
    assert with_interval(number) == shown


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        ("14", "item", "14 items"),
        ("1", "item", "1 item"),
        ("1,024", "byte", "1,024 bytes"),
        ("0.064", "p", "p = 0.064"),
    ],
)
def test_a_report_writes_units_as_words(value: str, unit: str, said: str) -> None:
    assert str(amount(value, unit)) == said


def test_one_model_is_no_models() -> None:
    assert [counted_models(count) for count in (1, 2, 1_200)] == ["1 model", "2 models", "1,200 models"]


@pytest.mark.parametrize("value", [-1e-9, -0.0, -0.004])
@pytest.mark.parametrize(
    "unit", ["share", "points", "ratio", "item", "MAC", "byte", "ms", "uJ", "similarity"]
)
def test_no_number_is_shown_as_minus_zero(unit: str, value: float) -> None:
    value = value / 1e6 if unit == "share" else value
    number = Number(value, unit, "measured", value, value)
    for said in (number_text(number), interval_text(number), printing.value_of(number)):
        assert not re.search(r"-0(\.0*)?(?![.\d])", said), said


def test_what_a_figure_writes_is_no_minus_zero_either() -> None:
    assert [signed(-0.001), percent(-1e-9), whole(-0.2), short(-0.0)] == ["+0.00", "0.0 %", "0", "0"]


def test_a_frame_tells_why_there_is_no_interval() -> None:
    assert number_frame({"kl": FEW}).loc["kl", "reason"] == "An interval needs N >= 500."


def test_why_there_is_no_interval_comes_back_from_a_file_and_can_be_translated() -> None:
    again = number_from_json(number_as_json(FEW))
    assert again == FEW
    assert isinstance(again.no_interval, Phrase)
    assert again.no_interval.values == {"least": 500}


def test_an_interval_that_is_there_has_no_excuse() -> None:
    with pytest.raises(AssertionError, match="needs no excuse"):
        Number(1.0, "nat", "measured", 0.5, 1.5, no_interval="none")


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, 0), (0.2, 1), (7, 7), (99, 99), (100, 100), (101, 110), (995, 1000), (1_721_273, 1_800_000)],
)
def test_how_many_are_needed_is_said_in_two_digits_and_never_too_few(count: float, said: int) -> None:
    assert about(count) == said
