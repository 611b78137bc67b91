"""Models without classes are judged by what they answer: growth of errors, gates, what is turned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from compress_core import compress, review
from compress_core.apply.model import Model
from compress_core.decide.sweep import sweep
from compress_core.decide.swept import SweepPlan, looked_at, sweep_as_json, sweep_from_json
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.measure.behavior.grown_error import error_growth_of
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.arrays import Floats
from compress_core.reviews.findings import Review
from compress_core.reviews.report_page import report_html
from compress_core.subject.answer_kind import AnswerKind, PredictionTask
from dashboard.figures.what_broke import what_broke
from tests.test_tasks import PRUNED, _subject

WITHOUT_CLASSES = (PredictionTask.REGRESSION, PredictionTask.EMBEDDING)


def _answers(values: Floats, wanted: Floats | None) -> Predictions:
    labels = None if wanted is None else torch.from_numpy(wanted)
    outputs = torch.from_numpy(values.astype(np.float32))
    return Predictions.of(outputs, labels, split="test", items="i", key="k", kind=AnswerKind.VALUES)


def _drawn(seed: int, items: int = 60) -> tuple[Predictions, Predictions]:
    """Errors before are of deviation 1; those after of 1.3, and go along with them."""
    drawn = np.random.default_rng(seed)
    wanted = drawn.normal(size=(items, 1))
    first = drawn.normal(size=(items, 1))
    second = 1.3 * (0.8 * first + 0.6 * drawn.normal(size=(items, 1)))
    return _answers(wanted + first, wanted), _answers(wanted + second, wanted)


def test_the_growth_is_that_of_the_mean_errors_and_its_interval_holds_the_true_one() -> None:
    before, after = _drawn(0)
    found = error_growth_of(before, after)
    assert before.wanted is not None
    errors = [np.abs(each.logits - before.wanted).mean() for each in (before, after)]
    assert found.value == pytest.approx(errors[1] / errors[0] - 1, rel=1e-5)
    held = 0
    for seed in range(400):
        number = error_growth_of(*_drawn(seed))
        assert number.low is not None
        assert number.high is not None
        held += number.low <= 0.3 <= number.high
    assert held >= 0.92 * 400


def test_what_cannot_be_told_of_errors_says_why() -> None:
    wanted = np.ones((40, 1))
    right = _answers(wanted, wanted)
    assert "no error" in str(error_growth_of(right, right).reason)
    assert "labels" in str(error_growth_of(_answers(wanted, None), _answers(wanted, None)).reason)
    broken = _answers(np.full((40, 1), np.nan), wanted)
    assert "finite" in str(error_growth_of(_answers(2 * wanted, wanted), broken).reason)


@pytest.mark.parametrize("task", PredictionTask)
def test_what_is_turned_is_watched_by_measures_of_its_task(task: PredictionTask) -> None:
    subject, store = _subject(task), Store()
    found = result_of(sweep(Model.original(subject), SweepPlan(), 0, store))
    again = sweep_from_json(sweep_as_json(found))
    assert set(found.measures) == set(again.measures) == set(looked_at(task))
    for point in found.points:
        for name, number in point.numbers.items():
            assert number.value is not None or (name == "similarity" and number.reason), name
    if task in WITHOUT_CLASSES:
        assert found.knee(looked_at(task)[0]) is not None
    drawn = what_broke(found)
    assert set(drawn.table["measure"]) <= set(looked_at(task))


@pytest.mark.slow
@pytest.mark.parametrize("task", WITHOUT_CLASSES)
def test_ready_made_gates_of_a_task_are_measured(task: PredictionTask) -> None:
    gates = "values_kept" if task is PredictionTask.REGRESSION else "vectors_kept"
    found = review(compress(_subject(task), PRUNED), gates, split="validation")
    assert len(found.judged) == 2
    assert all(each.number.value is not None for each in found.judged)
    assert not found.is_of_classes
    assert (found.flips, found.cells, found.classes) == ((), (), ())
    assert "no classes" in str(found.alike_flips.similarity.reason)
    assert found.alike_sample.similarity.value is not None
    page = report_html(found, {}, "en")
    assert "changed their predicted class" not in page
    assert Review.from_json(found.as_json()).judged[0].number.value == pytest.approx(
        found.judged[0].number.value
    )


def test_flips_of_labels_say_yes_and_no() -> None:
    found = review(compress(_subject(PredictionTask.LABELS), PRUNED), split="validation")
    assert found.is_of_classes
    assert {flip.before for flip in found.flips} == {"no", "yes"}
    assert {row.name for row in found.classes} == set(map(str, range(5)))
