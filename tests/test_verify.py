"""verify finds one changed digit in each field: by computing it again, or by its seal."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from compress_core.cli import app
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.foundation.strict_json import strictly_read
from compress_core.reviews.evidence_files import content_of_report
from compress_core.reviews.findings import Decision, Review
from compress_core.reviews.gate import Gate
from compress_core.reviews.gate_file import read_gates
from compress_core.reviews.gate_verdict import judged_gate, overall
from compress_core.reviews.judging import Asked
from compress_core.reviews.made_again import read_review, verified
from compress_core.reviews.model_costs import NOBODY_ASKED, with_times_of_deploy
from compress_core.reviews.seals import SEALS, broken_seals, field_differences, sealed
from tests.test_review import FEW, coarse, made, small_subject

pytestmark = pytest.mark.slow

GATES = read_gates(
    FEW
    + "title: 3 gates\ngates: [{measure: accuracy_change, limit: -0.3, reason: 1 reason}, "
    + "{measure: packed_file_bytes, limit: 9000, required: false}, {measure: latency_ms, limit: 10000}]"
)
FIELDS = [field.name for field in fields(Review) if field.name != "format"]  # another one is refused
ITEMS = 40
OF_ITS_MOMENT = {"files", "looks", "circumstances", "decision"}
Step = str | int


@pytest.fixture(scope="module")
def whole() -> Review:
    """A review with all that it may have."""
    store = Store()
    signed = Decision("Ada 1", "conditions", "2 conditions", "2026-11-29T10:00:00+00:00")
    return made(coarse(small_subject(ITEMS), store), GATES, store, Asked(decision=signed))


@pytest.fixture(scope="module")
def report(whole: Review) -> dict[str, Any]:
    """Its report as the file holds it."""
    content: dict[str, Any] = json.loads(json.dumps(sealed(whole.as_json())))
    return content


def leaves(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for name, each in inner for leaf in leaves(each, (*path, name))]
    yield from found or [path]


def changed(content: dict[str, Any], path: tuple[Step, ...], *, last: bool) -> dict[str, Any]:
    """The content with one digit changed in one field: the last, or the first that is not zero."""
    copied = copy.deepcopy(content)
    place: Any = copied
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = with_another_digit(place[path[-1]], last=last)
    return copied


def with_another_digit(value: Any, *, last: bool) -> Any:
    if isinstance(value, bool):
        return not value
    if value is None or value in ("", [], {}):
        return 1
    if isinstance(value, int | float):
        text = repr(value)
        digits = [m.start() for m in re.finditer(r"\d", text.partition("e")[0])]
        at = digits[-1] if last else next((i for i in digits if text[i] != "0"), digits[0])
        return type(value)(float(text[:at] + str(int(text[at]) % 9 + 1) + text[at + 1 :]))
    at = next((m.start() for m in re.finditer(r"\d", value)), 0)
    return value[:at] + ("7" if value[at] != "7" else "8") + value[at + 1 :]


@pytest.mark.parametrize("field", FIELDS)
def test_a_changed_digit_breaks_the_seal_of_its_field_alone(report: dict[str, Any], field: str) -> None:
    assert not broken_seals(report)
    for path in leaves(report[field], (field,)):
        named = [difference.path for difference in broken_seals(changed(report, path, last=True))]
        assert len(named) == 1
        assert ".".join(map(str, path)).startswith(named[0])


@pytest.mark.parametrize("field", [name for name in FIELDS if name not in OF_ITS_MOMENT])
def test_a_changed_digit_is_found_where_its_seal_was_made_anew(report: dict[str, Any], field: str) -> None:
    content = {name: value for name, value in report.items() if name != SEALS}
    for path in leaves(report[field], (field,)):
        named = field_differences(changed(content, path, last=False), content)  # which looks at no seal
        assert [difference.path for difference in named] == [".".join(map(str, path))]


def test_a_field_that_is_gone_or_new_is_named(report: dict[str, Any]) -> None:
    without = {**report, "model": {k: v for k, v in report["model"].items() if k != "items"}}
    assert [each.path for each in broken_seals(without)] == ["model.items"]
    more = {**report, "model": {**report["model"], "mood": "fine"}}
    assert [each.path for each in broken_seals(more)] == ["model.mood"]
    assert [each.path for each in field_differences(more, report)] == ["model.mood"]


def test_a_report_made_again_is_the_same_and_times_are_taken_over(report: dict[str, Any]) -> None:
    assert verified(report, small_subject(ITEMS), Store()).differences == ()


def test_times_that_were_measured_on_deploy_are_taken_over_where_no_gate_asks_for_any() -> None:
    store, gates = Store(), read_gates(FEW + "gates: [{measure: churn, limit: 0.5}]")
    review = made(coarse(small_subject(ITEMS), store), gates, store)
    missing = review.times[0]
    assert (missing.after.value, missing.after.reason) == (None, NOBODY_ASKED)
    timed = with_times_of_deploy(
        review, Number(2.0, "ms", "measured", 1.9, 2.1, 8), Number(1.0, "ms", "measured", 0.9, 1.1, 8)
    )
    assert (timed.times[0].before.value, timed.times[0].after.value) == (2.0, 1.0)
    assert timed.times[0].title == "Latency as measured on Deploy, batch of 1"
    assert timed.times[1:] == review.times[1:]
    assert with_times_of_deploy(timed, *[Number(9.0, "ms", "measured")] * 2) == timed, "it has some already"
    content = json.loads(json.dumps(sealed(timed.as_json())))
    assert verified(content, small_subject(ITEMS), Store()).differences == ()


def test_a_forged_number_and_another_model_are_found_by_making_it_again(report: dict[str, Any]) -> None:
    content = {name: value for name, value in report.items() if name != SEALS}
    path = ("judged", 0, "number", "value")
    forged = verified(sealed(changed(content, path, last=False)), small_subject(ITEMS), Store()).differences
    assert [each.path for each in forged] == ["judged.0.number.value"]
    other = {each.path for each in verified(report, small_subject(ITEMS + 1), Store()).differences}
    assert {"model.items", "model.n"} <= other


def test_a_forged_verdict_is_refused_or_found(report: dict[str, Any]) -> None:
    content = {name: value for name, value in report.items() if name != SEALS}
    assert content["verdict"] == "fail"
    with pytest.raises(Refused, match="damaged"):
        verified(sealed({**content, "verdict": "pass"}), small_subject(ITEMS), Store())
    lying = copy.deepcopy(content)
    lying["verdict"] = "pass"
    for each in lying["judged"]:
        each["outcome"] = "pass"
    found = {each.path for each in verified(sealed(lying), small_subject(ITEMS), Store()).differences}
    assert {"verdict", "judged.0.outcome"} <= found


@pytest.mark.parametrize("content", [{}, {"format": 99, SEALS: {}}, {"format": 2}, {"format": 2, SEALS: []}])
def test_what_is_no_report_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        broken_seals(content)


LIMITS = {"accuracy_change": -0.3, "churn": 0.25, "attribution_similarity": 0.5, "worst_class_change": -2.0}
NEAR = st.sampled_from([0.0, 5e-324, 1e-300, 1e-17, 1e-16, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3])
WIDE = st.sampled_from([1e-300, 1e-16, 1e-9, 1e-3, 0.2])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(LIMITS)), NEAR, st.sampled_from([-1, 1]), WIDE, WIDE, st.integers(1, 2**40))
def test_whatever_a_review_finds_its_report_is_read_again(
    whole: Review, measure: str, near: float, side: int, below: float, above: float, n: int
) -> None:
    """Where a value lay on the limit but for rounding, it named more items than a reader takes."""
    gate = Gate(measure=measure, limit=LIMITS[measure])
    value = gate.limit + side * near
    unit = "points" if measure.endswith("change") else "share"
    judged = judged_gate(gate, Number(value, unit, "measured", value - below, value + above, n))
    review = replace(whole, judged=(judged,), verdict=overall([judged]))
    content = strictly_read(content_of_report(review).encode())
    assert broken_seals(content) == []
    assert read_review(content).as_json() == review.as_json()


def test_a_report_without_its_times_is_damaged(report: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="damaged"):
        verified({**report, "times": []}, small_subject(ITEMS), Store())


def test_code_that_a_report_names_does_not_run_by_itself(report: dict[str, Any], tmp_path: Path) -> None:
    asked = {**report["circumstances"]["asked"], "model": "os:getcwd"}
    changed = {**report, "circumstances": {**report["circumstances"], "asked": asked}}
    file = tmp_path / "report.json"
    file.write_text(json.dumps(changed), encoding="utf-8")
    found = CliRunner().invoke(app, ["verify", str(file)], prog_name="slimscope")
    assert found.exit_code == 2, found.output
    assert "would run that code" in found.stderr
