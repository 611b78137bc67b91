"""Metrics against peers, loops written out, and what must hold for any predictions."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score

from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.measure.behavior.mean_number import ALL_EQUAL
from compress_core.measure.behavior.metric import NO_LABELS, NO_ORIGINAL, NOT_FINITE, metric, metrics, numbers
from compress_core.measure.behavior.metrics.accuracy import accuracy
from compress_core.measure.behavior.metrics.accuracy_change import accuracy_change
from compress_core.measure.behavior.metrics.churn import churn
from compress_core.measure.behavior.metrics.confidence_drift import confidence_drift
from compress_core.measure.behavior.metrics.ece import BINS, ece
from compress_core.measure.behavior.metrics.kl import UNBOUNDED, kl
from compress_core.measure.behavior.metrics.mcnemar import mcnemar
from compress_core.measure.behavior.metrics.right_to_wrong import right_to_wrong
from compress_core.measure.behavior.metrics.wrong_to_right import wrong_to_right
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.mean_interval import of_mean

WANTED = {
    "accuracy": ("share", "higher", ("after",), True),
    "accuracy_change": ("points", "higher", ("before", "after"), True),
    "churn": ("share", "lower", ("before", "after"), False),
    "confidence_drift": ("points", "none", ("before", "after"), False),
    "ece": ("share", "lower", ("after",), True),
    "kl": ("nat", "lower", ("before", "after"), False),
    "mcnemar": ("p", "none", ("before", "after"), True),
    "right_to_wrong": ("item", "lower", ("before", "after"), True),
    "wrong_to_right": ("item", "higher", ("before", "after"), True),
}
OF_OTHER_TASKS = {
    "answer_shift": ("value", "lower", ("before", "after"), False),
    "cosine_to_original": ("cosine", "higher", ("before", "after"), False),
    "error_change": ("value change", "lower", ("before", "after"), True),
    "explained_variance": ("R squared", "higher", ("after",), True),
    "items_all_right": ("share", "higher", ("after",), True),
    "mean_absolute_error": ("value", "lower", ("after",), True),
    "perplexity": ("tokens", "lower", ("after",), True),
}

Pair = tuple[Predictions, Predictions]


def predictions(logits: object, labels: object = None) -> Predictions:
    scores = np.asarray(logits, dtype=np.float32)
    return Predictions(scores, None if labels is None else np.asarray(labels), "validation", "items", "model")


def choosing(classes: list[int], labels: list[int]) -> Predictions:
    """Predictions that are sure of the given classes."""
    return predictions(8 * np.eye(3)[classes], labels)


def drawn_pair(seed: int = 0, n: int = 700, classes: int = 5) -> Pair:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, n)
    before = generator.normal(size=(n, classes)) + 3 * np.eye(classes)[labels]
    return predictions(before, labels), predictions(before + generator.normal(size=before.shape), labels)


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Few or many items and classes, outputs flat or steep, with ties or without."""
    n, classes = draw(st.integers(1, 40)), draw(st.integers(2, 6))
    scale, decimals = draw(st.sampled_from([0.0, 1.0, 30.0])), draw(st.sampled_from([0, 6]))
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    scores = (scale * generator.normal(size=(2, n, classes))).round(decimals)
    labels = generator.integers(0, classes, n)
    return predictions(scores[0], labels), predictions(scores[1], labels)


def value(number: object) -> float:
    found = getattr(number, "value", None)
    assert isinstance(found, int | float)
    return float(found)


def test_every_metric_is_found_with_its_unit_direction_and_needs() -> None:
    found = {name: (m.unit, m.direction, m.needs, m.needs_labels) for name, m in metrics().items()}
    assert found == {**WANTED, **OF_OTHER_TASKS}


@pytest.mark.parametrize("name", sorted({**WANTED, **OF_OTHER_TASKS}))
def test_the_summary_is_one_sentence_for_a_visitor(name: str) -> None:
    assert metrics()[name].summary.endswith(".")
    assert metrics()[name].title


def test_a_metric_of_one_function_asks_only_for_before_and_after() -> None:
    with pytest.raises(AssertionError, match="asks for"):

        @metric(title="", unit="share", direction="none", needs_labels=False, order=1)
        def asks_for_the_moon(moon: Predictions) -> Number:
            """Never."""
            return Number.missing("share", str(moon))


@given(pairs())
def test_numbers_have_the_unit_of_their_metric_and_an_interval_around_their_value(pair: Pair) -> None:
    for name, number in numbers(pair[1], pair[0]).items():
        assert number.unit == metrics()[name].unit
        assert number.n == pair[1].n
        if number.low is not None and number.high is not None:
            assert number.low - 1e-9 <= value(number) <= number.high + 1e-9


def test_accuracy_equals_that_of_scikit_learn() -> None:
    _, after = drawn_pair()
    assert value(accuracy(after)) == accuracy_score(after.labels, after.predicted)


def test_the_interval_of_accuracy_is_wilsons() -> None:
    _, after = drawn_pair()
    assert after.correct is not None
    peer = binomtest(int(after.correct.sum()), after.n).proportion_ci(method="wilson")
    number = accuracy(after)
    assert (number.low, number.high) == pytest.approx((peer.low, peer.high), rel=1e-12)


def test_flips_of_six_items_counted_by_hand() -> None:
    labels = [0, 0, 1, 1, 2, 2]
    before = choosing([0, 0, 1, 0, 0, 2], labels)
    after = choosing([0, 1, 2, 1, 1, 2], labels)
    assert value(right_to_wrong(before, after)) == 2
    assert value(wrong_to_right(before, after)) == 1
    assert value(churn(before, after)) == 4 / 6
    assert value(accuracy_change(before, after)) == pytest.approx(-100 / 6)


@given(pairs())
def test_the_accuracy_change_is_the_flips_to_right_less_those_to_wrong(pair: Pair) -> None:
    flips = value(wrong_to_right(*pair)) - value(right_to_wrong(*pair))
    assert value(accuracy_change(*pair)) == pytest.approx(100 * flips / pair[0].n)
    assert value(accuracy_change(*pair)) == pytest.approx(
        100 * (value(accuracy(pair[1])) - value(accuracy(pair[0])))
    )


@given(pairs())
def test_churn_is_the_same_in_both_directions(pair: Pair) -> None:
    before, after = pair
    assert churn(before, after) == churn(after, before)


@given(pairs())
def test_churn_is_at_least_the_size_of_the_accuracy_change(pair: Pair) -> None:
    assert 100 * value(churn(*pair)) >= abs(value(accuracy_change(*pair))) - 1e-9


def test_an_unchanged_model_still_has_an_interval_of_its_change() -> None:
    before, _ = drawn_pair()
    number = accuracy_change(before, before)
    assert number.value == 0
    assert number.low is not None
    assert number.high is not None
    assert number.low < -0.5 < 0.5 < number.high


def test_as_many_items_won_as_lost_give_mcnemar_1_but_a_churn() -> None:
    before, after = choosing([0] * 30 + [1] * 30, [0] * 60), choosing([1] * 30 + [0] * 30, [0] * 60)
    assert value(mcnemar(before, after)) == 1
    assert value(churn(before, after)) == 1


def test_ece_equals_a_loop_over_items_and_bins() -> None:
    _, after = drawn_pair()
    assert after.labels is not None
    total = 0.0
    for index in range(BINS):
        gap = 0.0
        for row, label in zip(softmax(after.logits.astype(np.float64), axis=1), after.labels, strict=True):
            if index / BINS < row.max() <= (index + 1) / BINS:
                gap += float(row.argmax() == label) - row.max()
        total += abs(gap)
    assert value(ece(after)) == pytest.approx(total / after.n, rel=1e-9)


def test_ece_worked_by_hand_for_two_items() -> None:
    """Both three quarters sure, one right: the gap is a quarter."""
    after = predictions(np.log([[0.75, 0.25], [0.75, 0.25]]), [0, 1])
    assert value(ece(after)) == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize(
    ("true_error", "temperature"), [(0.0, 1.0), (None, 0.5)], ids=["calibrated", "overconfident"]
)
def test_the_interval_of_ece_covers_the_true_error(true_error: float | None, temperature: float) -> None:
    """Labels drawn from known probabilities: the true error is that of very many items."""
    generator = np.random.default_rng(11)

    def sample(n: int) -> Predictions:
        truth = generator.normal(size=(n, 4)) * 2
        chosen = (truth + generator.gumbel(size=truth.shape)).argmax(axis=1)
        return predictions(truth / temperature, chosen)

    true = value(ece(sample(200_000))) if true_error is None else true_error
    found = [ece(sample(500)) for _ in range(100)]
    assert sum(x.low is not None and x.high is not None and x.low <= true <= x.high for x in found) >= 93


def test_the_interval_of_ece_covers_the_error_of_a_model_that_is_hardly_ever_wrong() -> None:
    """99.9 % stated, 98 % right: more than a third of samples show no mistake at all."""
    generator, logits = np.random.default_rng(12), np.log([[0.999, 0.001]] * 50)
    found = [ece(predictions(logits, (generator.random(50) > 0.98).astype(int))) for _ in range(200)]
    assert sum(x.low is not None and x.high is not None and x.low <= 0.019 <= x.high for x in found) >= 186


def test_kl_equals_scipys_relative_entropy() -> None:
    before, after = drawn_pair()
    p, q = (softmax(x.logits.astype(np.float64), axis=1) for x in (before, after))
    assert value(kl(before, after)) == pytest.approx(rel_entr(p, q).sum(axis=1).mean(), rel=1e-12)


@given(pairs())
def test_kl_is_never_negative_and_0_for_equal_outputs(pair: Pair) -> None:
    assert value(kl(*pair)) >= 0
    assert value(kl(pair[0], pair[0])) == 0


@given(pairs(), st.floats(-50, 50))
def test_kl_and_drift_ignore_a_constant_added_to_all_outputs(pair: Pair, shift: float) -> None:
    before, after = pair
    moved = predictions(after.logits.astype(np.float64) + shift, after.labels)
    assert value(kl(before, moved)) == pytest.approx(value(kl(before, after)), rel=1e-3, abs=1e-4)
    assert value(confidence_drift(before, moved)) == pytest.approx(
        value(confidence_drift(before, after)), abs=1e-2
    )


def test_kl_to_a_model_that_excludes_what_the_original_holds_possible_is_missing() -> None:
    before, after = predictions([[0.0, 0.0]]), predictions([[0.0, -np.inf]])
    assert kl(before, after).reason == UNBOUNDED
    assert value(kl(after, before)) == pytest.approx(np.log(2))


def test_drift_follows_the_class_of_the_original() -> None:
    """0.8 for class 0 becomes 0.3, although the model after is 0.7 sure of class 1."""
    before, after = predictions(np.log([[0.8, 0.2]])), predictions(np.log([[0.3, 0.7]]))
    assert value(confidence_drift(before, after)) == pytest.approx(-50, abs=1e-4)


def test_the_drift_of_many_items_is_a_mean_with_its_interval() -> None:
    before, after = drawn_pair(n=1000)
    drift = 100 * (after.probabilities - before.probabilities)[np.arange(1000), before.predicted]
    number, bounds = confidence_drift(before, after), of_mean(drift)
    assert bounds is not None
    assert (number.value, number.low, number.high) == pytest.approx((drift.mean(), *map(float, bounds)))


@pytest.mark.parametrize(("measured", "least"), [(kl, 500), (confidence_drift, 1000)])
def test_a_mean_over_too_few_items_has_no_interval_and_says_how_many_it_needs(
    measured: Callable[[Predictions, Predictions], Number], least: int
) -> None:
    few, enough = measured(*drawn_pair(n=least - 1)), measured(*drawn_pair(n=least))
    assert few.value is not None
    assert (few.low, few.high) == (None, None)
    assert f"needs N >= {least:,}" in str(few.no_interval)
    assert enough.low is not None
    assert enough.no_interval is None


def test_kl_of_equal_models_is_0_without_an_interval_and_says_why() -> None:
    before, _ = drawn_pair()
    number = kl(before, before)
    assert (number.value, number.low) == (0, None)
    assert number.no_interval == ALL_EQUAL


def test_without_labels_what_needs_them_says_so_and_the_rest_is_measured() -> None:
    before, after = (predictions(x.logits) for x in drawn_pair())
    for name, number in numbers(after, before).items():
        expected = NO_LABELS if metrics()[name].needs_labels else None
        assert number.reason == expected
        assert number.n == after.n


def test_labels_of_one_model_alone_do_not_tell_who_gained() -> None:
    before, after = drawn_pair()
    for pair in ((predictions(before.logits), after), (before, predictions(after.logits))):
        assert metrics()["accuracy_change"](after=pair[1], before=pair[0]).reason == NO_LABELS


def test_without_an_original_only_metrics_of_one_model_are_measured() -> None:
    _, after = drawn_pair()
    assert set(numbers(after)) == {"accuracy", "ece"}
    assert metrics()["churn"](after).reason == NO_ORIGINAL


@pytest.mark.parametrize("broken", [np.nan, np.inf], ids=str)
def test_an_item_without_finite_outputs_is_wrong_and_changed(broken: float) -> None:
    before = predictions(np.eye(3), [0, 1, 2])
    logits = np.eye(3)
    logits[1, 1] = broken
    after = predictions(logits, [0, 1, 2])
    assert after.predicted.tolist() == [0, -1, 2]
    assert value(accuracy(after)) == 2 / 3
    assert value(churn(before, after)) == 1 / 3
    assert {kl(before, after).reason, ece(after).reason, confidence_drift(before, after).reason} == {
        NOT_FINITE
    }


@given(pairs())
def test_probabilities_equal_scipys_and_add_up_to_1(pair: Pair) -> None:
    probabilities = pair[0].probabilities
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities, softmax(pair[0].logits.astype(np.float64), axis=1), rtol=1e-12)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


def test_outputs_of_a_thousand_do_not_overflow() -> None:
    assert predictions([[1000.0, -1000.0]]).probabilities.tolist() == [[1.0, 0.0]]


def test_the_predicted_class_is_the_most_probable_and_the_first_among_equals() -> None:
    one = predictions([[0.0, 2.0, 1.0], [1.0, 1.0, 0.0], [-np.inf, -9.0, -np.inf]])
    assert one.predicted.tolist() == [1, 0, 1]
    assert one.confidence.tolist() == one.probabilities.max(axis=1).tolist()


def test_arrays_that_sessions_share_cannot_be_written() -> None:
    one, _ = drawn_pair()
    for array in (one.logits, one.labels, one.probabilities, one.predicted, one.confidence, one.correct):
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    ("logits", "labels", "sentence"),
    [
        (np.zeros((0, 3)), None, r"row for each item.*shape is \[0, 3\]"),
        (np.zeros((3, 1)), None, r"at least two classes.*shape is \[3, 1\]"),
        (np.zeros(3), None, r"shape is \[3\]"),
        (np.eye(3), [0, 1], r"each of the 3 items.*shape \[2\]"),
        (np.eye(3), [0, 1, 3], "from 0 to 2.*a label 3"),
        (np.eye(3), [0, -1, 2], "from 0 to 2.*a label -1"),
        (np.eye(3), [0.5, 1.0, 2.0], "whole numbers from 0 to 2.*float64"),
    ],
    ids=["no items", "one class", "no table", "too few labels", "label too big", "label below 0", "reals"],
)
def test_outputs_and_labels_that_do_not_belong_together_are_refused(
    logits: np.ndarray, labels: list[float] | None, sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence):
        predictions(logits, labels)


def test_all_numbers_of_6000_items_take_less_than_50_ms_of_processor_time() -> None:
    before, after = drawn_pair(n=6000, classes=10)
    spent = []
    while len(spent) < 20 and min(spent, default=1.0) >= 0.05:
        fresh = predictions(before.logits, before.labels), predictions(after.logits, after.labels)
        start = time.thread_time()  # what pages of tests before left to be done is done by other threads
        numbers(fresh[1], fresh[0])
        spent.append(time.thread_time() - start)
    assert min(spent) < 0.05
