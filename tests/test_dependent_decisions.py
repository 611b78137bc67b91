"""Where an item holds several decisions: what cannot be told of them is missing, and the reason is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from compress_core import compare, compress
from compress_core import review as core_review
from compress_core.apply.model import Model
from compress_core.cli import app
from compress_core.cli.measuring import _verdict_in_words
from compress_core.decide.sweep import worst_class
from compress_core.foundation.frozen_json import as_plain
from compress_core.measure.behavior.compare import Comparison, no_loss
from compress_core.measure.behavior.mean_number import ALONE
from compress_core.measure.behavior.metrics.accuracy import accuracy
from compress_core.measure.behavior.metrics.accuracy_change import accuracy_change, change_of_counts
from compress_core.measure.behavior.metrics.churn import churn
from compress_core.measure.behavior.metrics.perplexity import perplexity
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.intervals import tango_of_each, wilson
from compress_core.reviews.evidence_files import write_evidence
from compress_core.reviews.evidence_tables import tables_of
from compress_core.reviews.findings import Review
from compress_core.reviews.gate_file import read_gates
from compress_core.reviews.gate_verdict import Outcome
from compress_core.reviews.made_again import read_review
from compress_core.reviews.report_reading import report_in
from compress_core.reviews.seals import broken_seals
from compress_core.subject.answer_kind import AnswerKind, PredictionTask
from compress_core.subject.split import Split
from dashboard.figures.classes_hurt import classes_hurt
from dashboard.figures.confidence import reliability
from dashboard.review.verdict_words import _worst
from tests.test_review import FEW
from tests.test_tasks import PRUNED, _speech, _subject

SPEAKER = ("tests.test_tasks:Speaker", "small.yaml", "--data", "speech.npz", "--task", "next_token")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a recipe and items of a language model."""
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "speech.npz", **_speech())
    (tmp_path / "small.yaml").write_text(PRUNED)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="slimscope")


@pytest.mark.usefixtures("folder")
def test_classes_of_a_language_model_are_compared_without_intervals_and_the_reason_is_said() -> None:
    told = run("compare", *SPEAKER, "--json")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    for row in found["per_class"]:
        assert row["accuracy_change"]["low"] is None
        assert row["accuracy_change"]["no_interval"] == ALONE
        assert row["accuracy_after"]["low"] is None, "places of one item are no independent items here either"
        assert row["p_holm"]["value"] is None
        assert row["p_holm"]["reason"] == ALONE
    assert found["per_class_intervals"] == ALONE
    printed = run("compare", *SPEAKER)
    assert printed.exit_code == 0, printed.output
    assert "nan" not in printed.stdout
    assert "simultaneous" not in printed.stdout
    assert f"\n{ALONE}\n" in printed.stdout


@pytest.fixture(scope="module")
def spoken() -> Model:
    """A compressed language model."""
    return compress(_subject(PredictionTask.TOKENS), PRUNED)


def test_figures_of_classes_draw_no_interval_where_there_is_none_and_say_so(spoken: Model) -> None:
    found = compare(spoken)
    layout = found.figure().layout
    assert "no intervals" in layout.xaxis.title.text
    assert "nan" not in layout.title.text
    table = found.per_class()
    change, low, high = (table[[name]].to_numpy() for name in ("change", "low", "high"))
    drawn = classes_hurt(change, low, high, list(table["class"]), ["small"])
    assert "no intervals" in drawn.figure.layout.title.text.replace("<br>", " ")
    assert not [said for said in drawn.figure.data[0].customdata.ravel() if "nan" in said]


def test_the_lowest_accuracy_of_a_class_has_no_interval_where_places_depend_on_one_another(
    spoken: Model,
) -> None:
    found = worst_class(compare(spoken).behavior)
    assert found.value is not None
    assert (found.low, found.no_interval) == (None, ALONE)


def test_a_language_model_is_reviewed_and_its_report_is_read_again(folder: Path) -> None:
    told = run("review", *SPEAKER, "--out", "report.html")
    assert told.exit_code in {0, 1, 3}, told.output
    assert f"Classes that got worse: not measured: {ALONE}" in told.stdout
    report = report_in(folder / "report.json")
    assert broken_seals(report) == []
    review = read_review(report)
    assert review.no_class_intervals == ALONE
    for row in review.classes:
        assert (row.p_holm, row.change.low, row.got_worse) == (None, None, False)
    page = (folder / "report.html").read_text("utf-8")
    assert "nan" not in re.sub(r"[0-9a-f]{64}", "", page)
    assert ALONE in page
    assert "Berger" not in page, "nothing is said of intervals that are not there"


def test_the_table_of_classes_on_the_page_says_why_it_has_no_intervals(spoken: Model) -> None:
    review = core_review(spoken, split="validation")
    again = Review.from_json(json.loads(json.dumps(as_plain(review), allow_nan=False)))
    assert again.classes == review.classes, "as a job brings it to the page"
    tables = tables_of(review)
    assert tables["classes"]["p_holm"].isna().all()
    assert ALONE in _worst(review)[0]


def test_a_report_that_cannot_be_written_as_json_leaves_no_page(tmp_path: Path, spoken: Model) -> None:
    review = core_review(spoken, split="validation")
    broken = replace(review, classes=(replace(review.classes[0], p_holm=float("nan")),))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_evidence(broken, spoken, tmp_path / "report.html", "en")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("loss", "missing"), [(2000.0, True), (700.0, False)])
def test_a_perplexity_that_no_number_holds_is_missing_with_the_reason(loss: float, missing: bool) -> None:
    """One item in a hundred is answered right, so that the mean has an interval."""
    items = np.arange(100)
    scores = np.stack([np.where(items == 0, 1.0, 0.0), np.full(100, loss)], axis=1)
    scores[0] = [9.0, 0.0]
    labels, part = np.zeros(100, np.int64), np.zeros(100, np.int64)
    answers = Predictions(scores, labels, "test", "i", "k", AnswerKind.TOKEN_SCORES, items, part)
    found = perplexity(answers)
    assert (found.value is None) is missing
    assert found.low is None
    assert "larger than any number" in str(found.reason or found.no_interval)
    json.dumps(found.as_json(), allow_nan=False)


def labels_of(changed: NDArray[np.bool_], items: NDArray[np.int64]) -> tuple[Predictions, Predictions]:
    """Two models that say yes to decisions, all of them right before; after, the changed ones are wrong."""
    part = np.arange(items.size) % 3
    yes = np.tile([0.0, 4.0], (items.size, 1))
    told = np.ones(items.size, np.int64), "test", "i"
    return tuple(  # type: ignore[return-value]  # of two
        Predictions(scores, *told, key, AnswerKind.LABEL_SCORES, items, part)
        for key, scores in (("a", yes), ("b", np.where(changed[:, None], yes[:, ::-1], yes)))
    )


def test_where_no_decision_changed_the_change_has_the_interval_of_as_many_items_with_one_decision() -> None:
    items = np.repeat(np.arange(200), 3)
    before, after = labels_of(np.zeros(600, np.bool_), items)
    found, single = accuracy_change(before, after), change_of_counts(0, 0, 200)
    assert (found.value, found.low, found.high, found.n) == pytest.approx((0, single.low, single.high, 200))
    assert no_loss(found, 3).outcome == "no loss"
    assert no_loss(found, 0.3).outcome == "undecided"
    share = churn(before, after)
    assert (share.value, share.low, share.high) == pytest.approx((0, 0, float(wilson(0, 200).high)))
    assert accuracy(before).high == 1


def test_where_all_items_are_alike_others_are_reckoned_with_that_were_not_seen() -> None:
    """One of three labels lost on each item: rounding alone tells their means apart."""
    items = np.repeat(np.arange(200), 3)
    before, after = labels_of(np.arange(600) % 3 == 0, items)
    found, unseen = accuracy_change(before, after), float(wilson(0, 200).high)
    assert found.low == pytest.approx(-100 / 3 - unseen * 200 / 3)
    assert found.high == pytest.approx(-100 / 3 + unseen * 400 / 3)


def test_an_item_with_many_decisions_counts_as_often_where_it_was_not_seen() -> None:
    few, many = np.repeat(np.arange(199), 2), np.repeat(199, 20)
    items = np.concatenate([few, many])
    before, after = labels_of(np.zeros(items.size, np.bool_), items)
    found = accuracy_change(before, after)
    assert found.high == pytest.approx(float(wilson(0, 200).high) * 100 * 20 / (items.size / 200))


@pytest.mark.parametrize("n", [30, 100, 450])
def test_the_interval_of_items_that_are_all_alike_holds(n: int) -> None:
    """Of more items that changed than this, one of n is seen in 95 of 100 cases."""
    share = 1 - 0.05 ** (1 / n)
    before, after = labels_of(np.zeros(3 * n, np.bool_), np.repeat(np.arange(n), 3))
    high = accuracy_change(before, after).high
    assert high is not None
    assert high >= 100 * share, "also where every changed item changed all of its decisions"


def test_fewer_items_get_no_interval_and_the_verdict_says_why() -> None:
    before, after = labels_of(np.zeros(60, np.bool_), np.repeat(np.arange(20), 3))
    compared = Comparison(before, after)
    assert "needs N >= 30" in str(compared.numbers["accuracy_change"].no_interval)
    split = Split("test", torch.zeros(20, 1), None)
    said = _verdict_in_words(compared.no_loss(), split, compared.numbers["accuracy_change"])
    assert said.startswith("Verdict on accuracy: not measured (")
    assert "N = 20)" in said
    assert "needs N >= 30" in said


def test_the_label_that_lost_most_is_judged_as_a_class_is() -> None:
    """Each label is one decision of every item, so its own items alone tell how sure its change is."""
    several = compress(_subject(PredictionTask.LABELS), PRUNED)
    split = several.subject.split("validation")
    gates = read_gates(f"{FEW}gates: [{{measure: worst_class_change, limit: -2}}]")
    found = core_review(several, gates, split="validation")
    number, table = found.judged[0].number, compare(several).per_class()
    assert (number.value, number.n) == (pytest.approx(table["change"].min()), len(split))
    compared = compare(several).behavior
    right = [
        each.correct.reshape(-1, 5) for each in (compared.before, compared.after) if each.correct is not None
    ]
    ends = [
        tango_of_each((right[1] & ~right[0])[:, i].sum(), (right[0] & ~right[1])[:, i].sum(), len(split))
        for i in range(5)
    ]
    assert number.low == pytest.approx(100 * min(float(each.low) for each in ends))
    assert number.high == pytest.approx(max(table["high"].min(), table["change"].min()))
    assert found.judged[0].outcome is not Outcome.NOT_MEASURED
    assert found.worst_class == table["class"][0]
    assert found.classes[0].change.value == number.value


@pytest.mark.parametrize("task", [PredictionTask.TOKENS, PredictionTask.LABELS])
def test_bins_of_calibration_have_no_intervals_where_decisions_depend_on_one_another(
    task: PredictionTask,
) -> None:
    bins = compare(compress(_subject(task), PRUNED)).behavior.reliability()
    assert bins["accuracy"].notna().any()
    assert bins[["accuracy_low", "accuracy_high"]].isna().all(axis=None)
    figure = reliability(bins).figure
    assert "no intervals" in figure.layout.title.text.replace("<br>", " ")
    assert not [trace for trace in figure.data if "customdata[1]" in (trace.hovertemplate or "")]


@pytest.mark.usefixtures("folder")
def test_the_verdict_counts_items_and_not_their_places(spoken: Model) -> None:
    printed = run("compare", *SPEAKER)
    items = f", validation split, N = {len(spoken.subject.split('validation'))})"
    assert items in printed.stdout
    assert items in compare(spoken)._repr_html_()


def test_a_gate_on_what_turned_wrong_takes_items_for_independent_and_not_their_places(spoken: Model) -> None:
    gates = read_gates(f"{FEW}gates: [{{measure: negative_flips, limit: 0.3}}]")
    number = core_review(spoken, gates, split="validation").judged[0].number
    compared = compare(spoken).behavior
    assert compared.before.correct is not None
    assert compared.after.correct is not None
    lost = compared.before.correct & ~compared.after.correct
    assert number.value == pytest.approx(lost.mean())
    assert number.n == len(spoken.subject.split("validation"))
