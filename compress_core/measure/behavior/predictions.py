"""What a model answered on a list of items: the one thing every metric is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from compress_core.foundation.cached import cached_property
from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_
from compress_core.numerics.arrays import Floats
from compress_core.numerics.deviations import spread_of
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.judged_rows import judged_rows

Scalar = TypeVar("Scalar", bound=np.generic)

NO_CLASS = -1
NO_CLASSES = {AnswerKind.VALUES: N_("real numbers"), AnswerKind.VECTORS: N_("vectors")}
_ROUNDING = 1e-3


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logarithms of the probabilities that the outputs stand for.

    logits [N, C] -> [N, C] in float64; a row with a NaN, a plus infinity or nothing but minus
    infinities is NaN throughout.
    """
    wide = logits.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        shifted = wide - wide.max(axis=1, keepdims=True)
        logs: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def _log_of_shares(shares: NDArray[np.float32], *, add_up: bool) -> NDArray[np.float64]:
    """Logarithms of shares between 0 and 1 [N, C]; a row with another number is NaN throughout.

    add_up: where they must be 1 together, rounding apart.
    """
    wide = shares.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = wide.sum(axis=1, keepdims=True)
        inside = ((wide >= 0) & (wide <= 1 + _ROUNDING)).all(axis=1, keepdims=True)
        if add_up:
            inside &= np.abs(total - 1) <= _ROUNDING
        logs: NDArray[np.float64] = np.log(wide / total if add_up else np.minimum(wide, 1))
    return np.where(inside, logs, np.nan)


@dataclass(frozen=True, eq=False)
class Predictions:
    """The raw outputs of one model on one list of items, and what follows from them.

    logits [N, C], or what `kind` says they are; labels [N] in 0..C-1, or None; items is
    the digest of the items, key names the model. Arrays are read-only, since sessions share them. A row of
    which no class can be chosen has none (-1), which is never right.

    Where an item holds several decisions (tokens, labels), each has a row; item_of [N] says whose it is and
    part_of [N] which of them, else both are None. wanted [N, C]: the right values of a model that answers
    with real numbers, which has no labels.

    Raises Refused where labels and outputs don't belong together.
    """

    logits: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    split: str
    items: str
    key: str
    kind: AnswerKind = AnswerKind.SCORES
    item_of: NDArray[np.int64] | None = None
    part_of: NDArray[np.int64] | None = None
    wanted: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        logits = np.asarray(self.logits, dtype=np.float32)
        if self.kind.has_classes:
            _refuse_unless_scores(logits)
        object.__setattr__(self, "logits", _read_only(logits.view()))
        if self.labels is not None:
            _refuse_unless_labels(np.asarray(self.labels), *logits.shape)
            labels = np.asarray(self.labels, dtype=np.int64)
            object.__setattr__(self, "labels", _read_only(labels.view()))

    @classmethod
    def of(
        cls,
        outputs: Tensor,
        labels: Tensor | None,
        *,
        split: str,
        items: str,
        key: str,
        kind: AnswerKind = AnswerKind.SCORES,
    ) -> Predictions:
        """What outputs [N, ...] are of a kind, with labels as `judged_rows` takes them; or Refused."""
        rows = judged_rows(outputs, labels, kind)
        known, item, part = (None if t is None else t.numpy() for t in (rows.labels, rows.item, rows.part))
        if kind.has_classes:
            return cls(rows.answers.numpy(), known, split, items, key, kind, item, part)
        return cls(rows.answers.numpy(), None, split, items, key, kind, wanted=known)

    @property
    def n(self) -> int:
        """How many items; where an item holds several decisions, how many of those."""
        return int(self.logits.shape[0])

    @property
    def in_parts(self) -> bool:
        """Whether an item holds several decisions, which are not independent of one another."""
        return self.item_of is not None

    @property
    def item_count(self) -> int:
        """How many items; those behind the last one of which anything is judged are left out."""
        return self.n if self.item_of is None else int(self.item_of.max(initial=-1)) + 1

    def rows_of(self, item: int) -> NDArray[np.int64]:
        """The places of the decisions of an item [n]."""
        if self.item_of is None:
            return np.array([item])
        return np.flatnonzero(self.item_of == item)

    def refuse_several_decisions(self) -> None:
        """Refuse what asks for one answer of each item where an item holds several decisions."""
        if self.in_parts:
            raise Refused(
                "Here every item must have one answer, but an item of this model holds several decisions, "
                "one for each label or place: look at them on Behavior."
            )

    def by_item(self, values: Floats) -> Floats:
        """Values of decisions [N] as one for each item, with the same mean; see `values_by_item`."""
        return values_by_item(values, self.item_of)

    @property
    def classes(self) -> int:
        """How many classes the model tells apart."""
        return int(self.logits.shape[1])

    @cached_property
    def log_probabilities(self) -> NDArray[np.float64]:
        """Logarithm of the probability of each class, [N, C]; NaN in rows that are no probabilities."""
        self.refuse_unless_classes()
        if self.kind in {AnswerKind.SCORES, AnswerKind.LOGARITHMS} or self.kind.in_parts:
            return _read_only(log_softmax(self.logits))
        return _read_only(_log_of_shares(self.logits, add_up=self.kind is AnswerKind.PROBABILITIES))

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Probability of each class, [N, C]; NaN in rows without finite outputs."""
        return _read_only(np.exp(self.log_probabilities))

    @cached_property
    def answered(self) -> NDArray[np.bool_]:
        """Which items got outputs of which one is the largest, [N]."""
        return _read_only(~np.isnan(log_softmax(self.logits)[:, 0]))

    @property
    def answers_nothing(self) -> bool:
        """Whether no item at all got such outputs: then there is nothing to judge, or to compare with."""
        return not bool(self.answered.any())

    @cached_property
    def has_confidence(self) -> NDArray[np.bool_]:
        """Which items got probabilities, [N]."""
        return _read_only(~np.isnan(self.log_probabilities[:, 0]))

    @cached_property
    def spread(self) -> Floats:
        """The standard deviation of each value that the model answers with, over the items [C]."""
        with np.errstate(invalid="ignore"):
            return _read_only(spread_of(self.logits))

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class, the first among equals, [N]; -1 where there is none."""
        self.refuse_unless_classes()
        best = self.logits.argmax(axis=1).astype(np.int64)
        return _read_only(np.where(self.answered, best, NO_CLASS))

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """Probability of the predicted class, [N]; NaN where there is none."""
        return _read_only(self.probabilities.max(axis=1))

    @cached_property
    def correct(self) -> NDArray[np.bool_] | None:
        """Whether the predicted class is the label, [N]; None without labels."""
        return None if self.labels is None else _read_only(self.predicted == self.labels)

    def refuse_unless_classes(self) -> None:
        """Refuse to ask for classes where the model answers with real numbers or vectors."""
        if not self.kind.has_classes:
            raise Refused(
                "The model answers with {kind}, which are neither right nor wrong: look at how far the "
                "answers moved.",
                kind=NO_CLASSES[self.kind],
            )

    def confidence_in(self, classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probability of a given class for each item, classes [N] -> [N]; NaN for class -1."""
        given = np.take_along_axis(self.probabilities, np.maximum(classes, 0)[:, None], axis=1)[:, 0]
        return np.where(classes == NO_CLASS, np.nan, given)


def values_by_item(values: Floats, item_of: NDArray[np.int64] | None) -> Floats:
    """Values of decisions [N] as one for each item, with the same mean; as they are where item_of is None.

    The mean over all decisions is a ratio of two sums over items; its error is that of the mean of what is
    given here, to first order.

    Cochran 1977, Sampling Techniques, section 6.3 (linearization of a ratio).
    """
    if item_of is None:
        return values
    _, item = np.unique(item_of, return_inverse=True)
    counts, mean = np.bincount(item), values.mean()
    found: Floats = mean + (np.bincount(item, values) - mean * counts) / counts.mean()
    return found


def gained_and_lost(before: Predictions, after: Predictions) -> tuple[int, int]:
    """How many items turned from wrong to right, and how many from right to wrong."""
    right_before, right_after = before.correct, after.correct
    assert right_before is not None, "right and wrong need labels"
    assert right_after is not None, "right and wrong need labels"
    gained, lost = right_after & ~right_before, right_before & ~right_after
    return int(np.count_nonzero(gained)), int(np.count_nonzero(lost))


def _read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    array.flags.writeable = False
    return array


def _refuse_unless_scores(logits: NDArray[np.float32]) -> None:
    if logits.ndim != 2 or logits.shape[0] < 1 or logits.shape[1] < 2:
        raise Refused(
            "The model's outputs must be a table with a row for each item and at least two classes, "
            "but its shape is {shape}; choose data with items and a model that classifies.",
            shape=list(logits.shape),
        )


def _refuse_unless_labels(labels: NDArray[np.generic], n: int, classes: int) -> None:
    if labels.shape != (n,):
        raise Refused(
            "There must be one label for each of the {n} items, but the labels have the shape {shape}; "
            "give a list of {n} labels, or none.",
            n=n,
            shape=list(labels.shape),
        )
    if labels.dtype.kind not in "iu":
        raise Refused(
            "Labels must be whole numbers from 0 to {last}, but they are of type {dtype}; "
            "convert them to integers.",
            last=classes - 1,
            dtype=str(labels.dtype),
        )
    outside = labels[(labels < 0) | (labels >= classes)]  # type: ignore[operator]  # kind checked above
    if outside.size:
        raise Refused(
            "Labels must be from 0 to {last}, since the model tells {classes} classes apart, but there is "
            "a label {label}; use data labeled for this model.",
            last=classes - 1,
            classes=classes,
            label=int(outside[0]),
        )
