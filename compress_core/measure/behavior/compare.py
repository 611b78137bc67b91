"""Two models on the same items: who is hurt, how sure we are, and is it a loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, sqrt
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from compress_core.foundation.cached import cached_property
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.measure.behavior.metric import numbers
from compress_core.measure.behavior.metrics.ece import BINS, confidence_bin
from compress_core.measure.behavior.metrics.kl import kl_by_item
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.arrays import Floats
from compress_core.numerics.intervals import (
    holm,
    lost_share,
    mcnemar_exact,
    score_variance,
    tango_of_each,
    two_sided,
    wilson,
)
from compress_core.subject.answer_kind import AnswerKind, PredictionTask

MOST_CLASSES = 1000  # which all have a row of flips, whether anything was predicted to be one or not
MARGIN_POINTS, MOST_MARGIN_POINTS = 0.3, 50.0
ON_THE_LIMIT = 1e-6  # of one item's spread: what lies nearer than this differs by rounding alone
SURELY = 0.9  # of the reviews on as many items as are named decide

LossOutcome = Literal["no loss", "loss", "undecided", "not measured"]


@dataclass(frozen=True)
class Verdict:
    """Whether a model lost accuracy; where that is undecided, about how many items would mostly decide it.

    With items_to_decide 9 of 10 reviews decide. It is None where the outcome stands, and where the change
    seen lies on the margin but for rounding, which no number of items decides.
    """

    outcome: LossOutcome
    margin_points: float
    items_to_decide: int | None = None

    @property
    def said(self) -> str:
        """The same in words that do not deny a loss which is smaller than the margin."""
        points = f"{self.margin_points:g} points"
        match self.outcome:
            case "no loss":
                return f"within the margin: at most {points} are lost"
            case "loss":
                return f"beyond the margin: more than {points} are lost"
            case "undecided":
                return f"undecided: these items cannot tell whether {points} are lost"
            case "not measured":
                return "not measured"


def no_loss(change: Number, margin_points: float = MARGIN_POINTS) -> Verdict:
    """No loss means: with 95 % confidence at most the margin of accuracy is lost.

    change is the accuracy change in points with its paired interval. Raises Refused for no margin.
    """
    assert change.unit == "points", "a change of accuracy is in points"
    if not 0 < margin_points <= MOST_MARGIN_POINTS:
        raise Refused(
            "The margin says how many points of accuracy may be lost: it must be above 0 and at most "
            "{most:g}, but it is {got:g}; {usual:g} is usual.",
            most=MOST_MARGIN_POINTS,
            got=margin_points,
            usual=MARGIN_POINTS,
        )
    if change.value is None or change.low is None or change.high is None:
        return Verdict("not measured", margin_points)
    if change.low >= -margin_points:
        return Verdict("no loss", margin_points)
    if change.high < -margin_points:
        return Verdict("loss", margin_points)
    return Verdict("undecided", margin_points, items_to_decide(change, margin_points))


def items_to_decide(change: Number, margin_points: float) -> int | None:
    """About how many items would decide in 9 of 10 reviews, if the shares won and lost truly are as seen.

    Fewer, such that the end of an average interval lies on the margin, would leave half of them undecided.
    None where no number decides: the change is not measured, or lies on the margin but for rounding.
    """
    value, low, high, n = change.value, change.low, change.high, change.n
    if value is None or low is None or high is None or n is None:
        return None
    share, margin = value / 100, -margin_points / 100
    lost = lost_share(share, (low if low < value else high) / 100, n)
    on_the_margin = sqrt(float(score_variance(share + lost, lost, 1, margin)))
    as_seen = sqrt(max(0.0, share + 2 * lost - share**2))
    reach = two_sided(0.95) * on_the_margin + two_sided(2 * SURELY - 1) * as_seen
    return count_to_decide(reach, share - margin)


def count_to_decide(reach: float, distance: float) -> int | None:
    """How many items bring the error of a mean from reach, that of one item, down to a distance.

    None where the distance is nothing beside it: then what was seen lies on the limit, and no number of items
    decides.
    """
    if abs(distance) <= ON_THE_LIMIT * reach:
        return None
    return ceil((reach / distance) ** 2)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What changed between two models on the same items.

    Raises Refused when the items or the classes differ, or the model before answers none of them.
    """

    before: Predictions
    after: Predictions

    def __post_init__(self) -> None:
        if self.before.items != self.after.items or self.before.n != self.after.n:
            raise Refused(
                "The two models must be evaluated on the same items, but one saw {before_n} items of the "
                "{before_split} split and the other {after_n} different ones of the {after_split} split; "
                "evaluate both on the same data and split.",
                before_n=self.before.n,
                before_split=self.before.split,
                after_n=self.after.n,
                after_split=self.after.split,
            )
        if self.before.classes != self.after.classes:
            raise Refused(
                "The two models must tell the same classes apart, but one has {before} and the other "
                "{after}; compare a model with one compressed from it.",
                before=self.before.classes,
                after=self.after.classes,
            )
        if self.before.answers_nothing:
            raise Refused(
                "The model as it was loaded answers none of the {n} {split} items with finite numbers, so "
                "there is nothing to compare with: repair its weights, or the values of the items.",
                n=self.before.n,
                split=self.before.split,
            )
        labels, same = self.before.labels, self.after.labels
        assert labels is None or same is None or np.array_equal(labels, same), "same items, same labels"

    @property
    def has_labels(self) -> bool:
        """Whether right and wrong are known; if not, only what needs no labels can be asked."""
        return self.before.labels is not None and self.after.labels is not None

    @property
    def classes_are_independent(self) -> bool:
        """Whether the decisions of one class are of as many items; a label is one decision of each item.

        Places of one sequence are not independent, so of their classes intervals and p are missing.
        """
        return self.before.kind.task is not PredictionTask.TOKENS

    @cached_property
    def numbers(self) -> Mapping[str, Number]:
        """Every metric of the model after, by name; those that need the original compare with it."""
        return MappingProxyType(numbers(self.after, self.before))

    @cached_property
    def items_changed(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The numbers of the items [n] whose predicted class changed, of several decisions at least one."""
        rows = np.flatnonzero(self.before.predicted != self.after.predicted)
        return rows if self.before.item_of is None else np.unique(self.before.item_of[rows])

    def no_loss(self, margin_points: float = MARGIN_POINTS) -> Verdict:
        """Whether the model after lost at most the margin of accuracy, with 95 % confidence.

        Raises Refused for a margin that is none.
        """
        found = no_loss(self.numbers["accuracy_change"], margin_points)
        return replace(found, items_to_decide=None) if self.before.in_parts else found

    def per_class(self) -> pd.DataFrame:
        """Accuracy of each class before and after, the worst change first; of several labels, of each label.

        Columns: class, n, accuracy_before, accuracy_after (shares), change, low, high (points; paired
        intervals that all hold together with 95 %), p (exact McNemar), p_holm (adjusted for the number of
        classes). Places of one sequence are not independent: intervals and p are missing for those. Classes
        without items are left out. Raises Refused without labels.
        """
        right_before, right_after = self._right()
        items = self._count(np.ones(self.before.n, dtype=np.bool_))
        present = np.flatnonzero(items)
        n, gained = items[present], self._count(right_after & ~right_before)[present]
        lost = self._count(right_before & ~right_after)[present]
        low, high = tango_of_each(gained, lost, n).times(100)
        p = mcnemar_exact(gained, lost)
        table = pd.DataFrame(
            {
                "class": present,
                "n": n,
                "accuracy_before": self._count(right_before)[present] / n,
                "accuracy_after": self._count(right_after)[present] / n,
                "change": 100 * (gained - lost) / n,
                "low": low,
                "high": high,
                "p": p,
                "p_holm": holm(p),
            }
        )
        if not self.classes_are_independent:
            table[["low", "high", "p", "p_holm"]] = np.nan
        return table.sort_values(["change", "class"], ignore_index=True)

    def flips(self) -> pd.DataFrame:
        """How many items of each predicted class before (rows) got each class after (columns).

        A row and a column -1 stand for items without finite outputs, where there are any. Of more than 1,000
        classes those are left out that nothing was predicted to be.
        """
        classes = self.before.classes
        if classes > MOST_CLASSES:
            return self._flips_of_many()
        first = 0 if self.before.answered.all() and self.after.answered.all() else -1
        size = classes - first
        cells = (self.before.predicted - first) * size + (self.after.predicted - first)
        names = np.arange(first, classes)
        return pd.DataFrame(
            np.bincount(cells, minlength=size**2).reshape(size, size),
            index=pd.Index(names, name="before"),
            columns=pd.Index(names, name="after"),
        )

    def _flips_of_many(self) -> pd.DataFrame:
        both = np.stack([self.before.predicted, self.after.predicted])
        names, places = np.unique(both, return_inverse=True)
        before, after = places.reshape(both.shape)
        size = len(names)
        return pd.DataFrame(
            np.bincount(before * size + after, minlength=size**2).reshape(size, size),
            index=pd.Index(names, name="before"),
            columns=pd.Index(names, name="after"),
        )

    def shifts(self) -> pd.DataFrame:
        """How far the answer to each item moved, the furthest first, for answers that are no classes.

        Columns: item, before, after (real numbers, the mean where an item has several), shift (mean absolute
        difference of real numbers, 1 - cosine of vectors), and for labeled items wanted. Raises Refused for
        classes.
        """
        if self.before.kind.has_classes:
            raise Refused("The answers are classes: look at which of them changed.")
        one, other = (each.logits.astype(np.float64) for each in (self.before, self.after))
        table = pd.DataFrame({"item": np.arange(self.before.n)})
        if self.before.kind is AnswerKind.VALUES:
            table = table.assign(before=one.mean(axis=1), after=other.mean(axis=1))
            table["shift"] = np.abs(one - other).mean(axis=1)
            if self.before.wanted is not None:
                table["wanted"] = self.before.wanted.astype(np.float64).mean(axis=1)
        else:
            table["shift"] = kl_by_item(self.before, self.after)
        return table.sort_values(
            ["shift", "item"], ascending=[False, True], na_position="first", ignore_index=True
        )

    def changed_items(self) -> pd.DataFrame:
        """The items whose predicted class changed, the biggest drop of confidence first.

        Columns: item (its place), label (missing without labels), before, after (classes), confidence_before,
        confidence_after (each model in its own class), drop (of the probability of the class before, as a
        share), kind (right_to_wrong, wrong_to_right, wrong_to_wrong; "changed" without labels). Where an item
        holds several decisions, each that changed has a row, and part tells which label or place it is.
        Items whose drop is unknown, for want of finite outputs, come first.
        """
        item = np.flatnonzero(self.before.predicted != self.after.predicted)
        labels = self._labels[item] if self.has_labels else None
        table = pd.DataFrame(
            {
                "item": item,
                "label": pd.array([pd.NA] * item.size if labels is None else labels, dtype="Int64"),
                "before": self.before.predicted[item],
                "after": self.after.predicted[item],
                "confidence_before": self.before.confidence[item],
                "confidence_after": self.after.confidence[item],
                "drop": (self.before.confidence - self._kept_confidence)[item],
                "kind": self._kinds(item),
            }
        )
        if self.before.item_of is not None and self.before.part_of is not None:
            table = table.assign(item=self.before.item_of[item], part=self.before.part_of[item])
        return table.sort_values(
            ["drop", "item"], ascending=[False, True], na_position="first", ignore_index=True
        )

    def reliability(self) -> pd.DataFrame:
        """How often each model is right when it says how sure it is, in 15 bins of confidence.

        Columns: model (before, after), bin, low, high (its borders), n, confidence (mean), accuracy,
        accuracy_low, accuracy_high (Wilson). Items without finite outputs are left out; a bin without
        items has no confidence and no accuracy. Where an item holds several decisions, these are not
        independent of one another, and there are no intervals. Raises Refused without labels.
        """
        right_before, right_after = self._right()
        frames = [_reliability(self.before, right_before), _reliability(self.after, right_after)]
        return (
            pd.concat(frames, keys=["before", "after"], names=["model"]).reset_index(0).reset_index(drop=True)
        )

    def confidence_pairs(self, bins: int = 50) -> pd.DataFrame:
        """How many items had each confidence before (rows) and have each after (columns).

        Both confidences are of the class predicted before; rows and columns are named by the lower
        borders of equal bins of [0, 1]. Items without finite outputs are left out.
        """
        known = self.before.has_confidence & self.after.has_confidence
        pairs = np.stack([self.before.confidence[known], self._kept_confidence[known]])
        row, column = np.minimum((pairs * bins).astype(np.int64), bins - 1)
        borders = np.arange(bins) / bins
        return pd.DataFrame(
            np.bincount(row * bins + column, minlength=bins**2).reshape(bins, bins),
            index=pd.Index(borders, name="confidence_before"),
            columns=pd.Index(borders, name="confidence_after"),
        )

    @cached_property
    def _kept_confidence(self) -> Floats:
        return self.after.confidence_in(self.before.predicted)

    @property
    def _labels(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        labels = self.before.labels
        assert labels is not None, "asked for labels that are not there"
        return labels.reshape(-1)

    def _right(self) -> tuple[np.ndarray, np.ndarray]:
        right_before, right_after = self.before.correct, self.after.correct
        if right_before is None or right_after is None:
            raise Refused(
                "Accuracy by class and reliability need the right answers, but these items have no labels; "
                "use data with labels, or look at churn, divergence and confidence drift."
            )
        return right_before, right_after

    def _count(self, which: np.ndarray) -> np.ndarray:
        if self.before.kind.task is PredictionTask.LABELS and self.before.part_of is not None:
            part = self.before.part_of
            return np.bincount(part[which], minlength=int(part.max()) + 1)
        return np.bincount(self._labels[which], minlength=self.before.classes)

    def _kinds(self, item: np.ndarray) -> list[str]:
        if not self.has_labels:
            return ["changed"] * item.size
        right_before, right_after = self._right()
        kinds = np.full(item.size, "wrong_to_wrong", dtype=object)
        kinds[right_before[item]] = "right_to_wrong"
        kinds[right_after[item]] = "wrong_to_right"
        return list(kinds)


def _reliability(predictions: Predictions, right: np.ndarray) -> pd.DataFrame:
    known = predictions.has_confidence
    confidence, right = predictions.confidence[known], right[known]
    bins = confidence_bin(confidence)
    n, hits = np.bincount(bins, minlength=BINS), np.bincount(bins[right], minlength=BINS)
    low, high = wilson(hits, n)
    seen, told = np.where(n > 0, n, np.nan), (n > 0) & (not predictions.in_parts)
    return pd.DataFrame(
        {
            "bin": np.arange(BINS),
            "low": np.arange(BINS) / BINS,
            "high": np.arange(1, BINS + 1) / BINS,
            "n": n,
            "confidence": np.bincount(bins, confidence, BINS) / seen,
            "accuracy": hits / seen,
            "accuracy_low": np.where(told, low, np.nan),
            "accuracy_high": np.where(told, high, np.nan),
        }
    )
