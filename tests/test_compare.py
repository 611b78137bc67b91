"""What a comparison shows, worked by hand on few items or counted by scikit-learn on many."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.measure.behavior.compare import Comparison, items_to_decide, no_loss
from compress_core.measure.behavior.metric import numbers
from compress_core.measure.behavior.metrics.churn import churn
from compress_core.measure.behavior.metrics.confidence_drift import confidence_drift
from compress_core.measure.behavior.metrics.ece import ece
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.intervals import tango

LABELS = [0, 0, 1, 1, 2, 2]
BEFORE = [0, 0, 1, 0, 0, 2]
AFTER = [0, 1, 2, 1, 1, 2]


def predictions(
    logits: object, labels: object = None, items: str = "items", split: str = "validation"
) -> Predictions:
    scores = np.asarray(logits, dtype=np.float32)
    return Predictions(scores, None if labels is None else np.asarray(labels), split, items, "model")


def by_hand(labels: list[int] | None = LABELS) -> Comparison:
    return Comparison(predictions(4 * np.eye(3)[BEFORE], labels), predictions(2 * np.eye(3)[AFTER], labels))


def drawn(n: int = 800, classes: int = 4, *, labeled: bool = True) -> Comparison:
    generator = np.random.default_rng(5)
    labels = generator.integers(0, classes, n)
    before = generator.normal(size=(n, classes)) + 2 * np.eye(classes)[labels]
    after = before + generator.normal(size=before.shape)
    known = labels if labeled else None
    return Comparison(predictions(before, known), predictions(after, known))


def change(gained: int, lost: int, n: int) -> Number:
    low, high = tango(gained, lost, n).times(100)
    return Number(100 * (gained - lost) / n, "points", "measured", float(low), float(high), n)


def test_classes_are_listed_worst_change_first() -> None:
    table = by_hand().per_class()
    assert table["class"].tolist() == [0, 1, 2]
    assert table["change"].tolist() == [-50, 0, 0]
    assert table["n"].tolist() == [2, 2, 2]
    assert table["accuracy_before"].tolist() == [1, 0.5, 0.5]
    assert table["accuracy_after"].tolist() == [0.5, 0.5, 0.5]
    assert drawn().per_class()["change"].is_monotonic_increasing


def test_each_class_has_the_simultaneous_interval_and_p_value_of_its_own_items() -> None:
    comparison = drawn()
    labels, before, after = comparison.before.labels, comparison.before.correct, comparison.after.correct
    assert labels is not None
    assert before is not None
    assert after is not None
    for _, row in comparison.per_class().iterrows():
        of_class = labels == row["class"]
        gained, lost = int((of_class & after & ~before).sum()), int((of_class & before & ~after).sum())
        low, high = tango(gained, lost, int(of_class.sum()), 1 - 0.05 / 4).times(100)
        assert (row["low"], row["high"]) == pytest.approx((float(low), float(high)))
        assert row["p"] == pytest.approx(binomtest(gained, gained + lost).pvalue)
        assert row["p"] <= row["p_holm"] <= 1


def test_a_class_without_items_is_left_out() -> None:
    comparison = Comparison(predictions(np.eye(3)[:2], [0, 1]), predictions(np.eye(3)[:2], [0, 1]))
    assert comparison.per_class()["class"].tolist() == [0, 1]


def test_the_changes_of_the_classes_add_up_to_the_change_of_all() -> None:
    comparison = drawn()
    table = comparison.per_class()
    mean = np.average(table["change"], weights=table["n"])
    assert mean == pytest.approx(comparison.numbers["accuracy_change"].value)


def test_the_flips_are_scikit_learns_confusion_matrix_of_the_two_models() -> None:
    comparison = drawn()
    peer = confusion_matrix(comparison.before.predicted, comparison.after.predicted)
    assert np.array_equal(comparison.flips(), peer)


def test_what_lies_off_the_diagonal_of_the_flips_is_the_churn() -> None:
    comparison = drawn(labeled=False)
    matrix = comparison.flips().to_numpy()
    share = 1 - np.trace(matrix) / comparison.before.n
    assert share == pytest.approx(churn(comparison.before, comparison.after).value)


def test_items_without_finite_outputs_get_a_row_and_column_of_their_own() -> None:
    after = predictions([[np.nan, 0.0], [0.0, 1.0]])
    matrix = Comparison(predictions(np.eye(2)), after).flips()
    assert matrix.index.equals(matrix.columns)
    assert matrix.shape == (3, 3)
    assert matrix.loc[0, -1] == 1
    assert matrix.loc[1, 1] == 1
    assert matrix.to_numpy().sum() == 2


def test_changed_items_carry_the_kind_of_their_flip() -> None:
    table = by_hand().changed_items().set_index("item").sort_index()
    assert table["kind"].to_dict() == {
        1: "right_to_wrong",
        2: "right_to_wrong",
        3: "wrong_to_right",
        4: "wrong_to_wrong",
    }
    assert table["before"].tolist() == [0, 1, 0, 0]
    assert table["after"].tolist() == [1, 2, 1, 1]
    assert table["label"].tolist() == [0, 1, 1, 2]


def test_changed_items_begin_with_the_biggest_drop_of_confidence() -> None:
    comparison = drawn()
    table = comparison.changed_items()
    rows, chosen = table["item"].to_numpy(), table["before"].to_numpy()
    drop = (comparison.before.probabilities - comparison.after.probabilities)[rows, chosen]
    assert table["drop"].tolist() == pytest.approx(drop.tolist())
    assert table["drop"].is_monotonic_decreasing
    assert table["confidence_after"].tolist() == comparison.after.confidence[rows].tolist()


def test_a_changed_item_whose_drop_is_unknown_comes_first() -> None:
    before, after = predictions(9 * np.eye(2)), predictions([[0.0, 9.0], [np.nan, 0.0]])
    assert Comparison(before, after).changed_items()["item"].tolist() == [1, 0]


def test_without_labels_a_changed_item_has_changed_and_has_no_label() -> None:
    table = by_hand(labels=None).changed_items()
    assert set(table["kind"]) == {"changed"}
    assert table["label"].isna().all()
    assert table.dtypes["label"] == by_hand().changed_items().dtypes["label"]


def test_equal_models_have_no_changed_item() -> None:
    same = drawn().before
    assert Comparison(same, same).changed_items().empty


@pytest.mark.parametrize("model", ["before", "after"])
def test_the_reliability_diagram_equals_scikit_learns(model: str) -> None:
    comparison = drawn()
    one: Predictions = getattr(comparison, model)
    assert one.correct is not None
    table = comparison.reliability().query("model == @model and n > 0")
    accuracy, confidence = calibration_curve(one.correct, one.confidence, n_bins=15)
    assert table["accuracy"].tolist() == pytest.approx(accuracy.tolist())
    assert table["confidence"].tolist() == pytest.approx(confidence.tolist())
    assert table["n"].sum() == one.n


def test_the_gaps_of_the_reliability_diagram_add_up_to_the_ece() -> None:
    comparison = drawn()
    table = comparison.reliability().query("model == 'after'").fillna(0.0)
    total = (table["n"] * (table["accuracy"] - table["confidence"]).abs()).sum() / comparison.after.n
    assert total == pytest.approx(ece(comparison.after).value)


def test_the_mean_confidence_of_a_bin_lies_within_its_borders() -> None:
    table = drawn().reliability().query("n > 0")
    assert (table["low"] < table["confidence"]).all()
    assert (table["confidence"] <= table["high"]).all()


def test_a_bin_without_items_has_no_accuracy() -> None:
    table = by_hand().reliability()
    empty = table[table["n"] == 0]
    assert len(table) == 30
    assert empty[["confidence", "accuracy", "accuracy_low", "accuracy_high"]].isna().all(axis=None)


def test_reliability_leaves_out_items_without_finite_outputs() -> None:
    one = predictions([[np.nan, 0.0], [0.0, 3.0]], [0, 1])
    assert Comparison(one, one).reliability().groupby("model")["n"].sum().tolist() == [1, 1]


def test_confidence_pairs_count_every_item_once_where_it_belongs() -> None:
    before, after = predictions(np.log([[0.85, 0.15]] * 3)), predictions(np.log([[0.31, 0.69]] * 3))
    table = Comparison(before, after).confidence_pairs(bins=10)
    assert table.shape == (10, 10)
    assert table.to_numpy()[8, 3] == 3
    assert table.to_numpy().sum() == 3


def test_the_mean_of_the_confidence_pairs_is_about_the_drift() -> None:
    comparison = drawn()
    table = comparison.confidence_pairs(bins=200)
    counts = table.to_numpy()
    mean = (counts * (table.columns.to_numpy()[None] - table.index.to_numpy()[:, None])).sum() / counts.sum()
    assert 100 * mean == pytest.approx(confidence_drift(comparison.before, comparison.after).value, abs=0.5)


def test_certainty_falls_into_the_last_bin() -> None:
    sure = predictions(1000 * np.eye(2))
    assert Comparison(sure, sure).confidence_pairs(bins=4).to_numpy()[3, 3] == 2


@pytest.mark.parametrize("frame", [Comparison.per_class, Comparison.reliability])
def test_what_needs_labels_is_refused_without_them(frame: object) -> None:
    assert callable(frame)
    with pytest.raises(Refused, match="these items have no labels"):
        frame(by_hand(labels=None))


def test_models_that_saw_different_items_are_not_compared() -> None:
    one, other = predictions(np.eye(3)), predictions(np.eye(3), items="others", split="test")
    with pytest.raises(Refused, match=r"same items.*validation split.*test split"):
        Comparison(one, other)


def test_models_with_different_classes_are_not_compared() -> None:
    with pytest.raises(Refused, match="one has 3 and the other 4"):
        Comparison(predictions(np.eye(3)), predictions(np.eye(4)[:3]))


def test_a_comparison_has_every_number() -> None:
    numbers = by_hand().numbers
    assert numbers["accuracy"].value == 0.5
    assert numbers["right_to_wrong"].value == 2
    assert numbers["wrong_to_right"].value == 1


@pytest.mark.parametrize(
    ("gained", "lost", "n", "outcome"),
    [
        (0, 0, 6000, "no loss"),
        (0, 0, 20, "undecided"),
        (0, 0, 1278, "no loss"),
        (0, 0, 1276, "undecided"),
        (3, 60, 2000, "loss"),
        (10, 14, 2000, "undecided"),
        (10, 18, 2000, "undecided"),
        (60, 3, 2000, "no loss"),
    ],
    ids=str,
)
def test_no_loss_is_said_only_where_the_interval_allows_it(
    gained: int, lost: int, n: int, outcome: str
) -> None:
    verdict = no_loss(change(gained, lost, n))
    assert verdict.outcome == outcome
    assert (verdict.items_to_decide is not None) == (outcome == "undecided")


def test_a_change_that_is_not_measured_gets_no_verdict() -> None:
    assert no_loss(Number.missing("points", "The items have no labels.", 20)).outcome == "not measured"


def test_a_change_exactly_on_the_margin_is_decided_by_no_number_of_items() -> None:
    assert items_to_decide(change(0, 3, 1000), 0.3) is None


@pytest.mark.parametrize(
    ("gained", "lost", "n"),
    [(0, 1, 1000), (1, 1, 300), (10, 14, 2000), (2, 0, 100), (1, 4, 500), (0, 2, 500)],
    ids=str,
)
def test_with_the_number_of_items_that_is_named_9_of_10_reviews_decide(
    gained: int, lost: int, n: int
) -> None:
    needed = items_to_decide(change(gained, lost, n), 0.3)
    assert needed is not None
    shares = [gained / n, lost / n, 1 - (gained + lost) / n]
    drawn = np.random.default_rng(2).multinomial(needed, shares, size=2000)
    low, high = tango(drawn[:, 0], drawn[:, 1], needed).times(100)
    assert np.mean((low >= -0.3) | (high < -0.3)) > 0.875


def test_where_nothing_changed_the_named_number_of_items_decides_surely() -> None:
    needed = items_to_decide(change(0, 0, 200), 0.3)
    assert needed is not None
    assert no_loss(change(0, 0, needed)).outcome == "no loss"
    assert no_loss(change(0, 0, needed - 1)).outcome == "undecided"


def test_the_verdict_of_a_comparison_is_that_of_its_change() -> None:
    comparison = drawn()
    assert comparison.no_loss() == no_loss(comparison.numbers["accuracy_change"])
    assert comparison.no_loss().outcome == "loss"


def test_a_wider_margin_turns_the_same_change_from_loss_to_no_loss() -> None:
    comparison = drawn()
    change_seen = comparison.numbers["accuracy_change"].value
    assert change_seen is not None
    lost = -change_seen
    outcomes = [comparison.no_loss(margin).outcome for margin in (lost / 4, lost, 2 * lost)]
    assert outcomes == ["loss", "undecided", "no loss"]
    assert comparison.no_loss(1.5).margin_points == 1.5


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (7, "within the margin: at most 0.3 points are lost"),
        (300, "beyond the margin: more than 0.3 points are lost"),
        (18, "undecided: these items cannot tell whether 0.3 points are lost"),
    ],
)
def test_words_of_a_verdict_deny_no_loss_that_is_smaller_than_the_margin(lost: int, said: str) -> None:
    assert no_loss(change(3, lost, 6000)).said == said


@pytest.mark.parametrize("margin", [0, -0.3, float("nan"), float("inf"), 50.1])
def test_a_margin_that_is_none_is_refused(margin: float) -> None:
    with pytest.raises(Refused, match="it must be above 0 and at most 50"):
        no_loss(change(1, 2, 100), margin)


def test_where_the_model_as_loaded_answers_nothing_there_is_nothing_to_judge() -> None:
    nothing, some = predictions(np.full((2, 2), np.nan), [0, 1]), predictions(np.eye(2), [0, 1])
    found = numbers(nothing, nothing)
    assert {number.value for number in found.values()} == {None}, "0 % right and 0 changed would be answers"
    assert "answers none of these items" in str(found["accuracy"].reason)
    with pytest.raises(Refused, match="answers none of the 2 validation items"):
        Comparison(nothing, some)
    assert numbers(nothing, some)["accuracy"].value == 0, "compressed until it answers nothing, it is wrong"
