"""What a metric is: a pure function of predictions, declared once in its own file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Flag, auto
from typing import Literal

from compress_core.foundation.number import Number
from compress_core.foundation.one_file_each import OneFileEach
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.predictions import Predictions
from compress_core.subject.answer_kind import PredictionTask

Direction = Literal["higher", "lower", "none"]
MetricFunction = Callable[..., Number]

NO_LABELS = N_("The items have no labels.")
NO_ORIGINAL = N_("There is no original to compare with.")
NOT_FINITE = N_("The model's outputs are not finite for some items.")
ANSWERS_NOTHING = N_("The model as it was loaded answers none of these items with finite numbers.")
NO_CLASSES_HERE = N_("It is about classes, and the model answers with real numbers or vectors.")
OF_ANOTHER_TASK = N_("It is about another task than this model's.")
WITH_CLASSES = frozenset({PredictionTask.CLASSIFICATION, PredictionTask.LABELS, PredictionTask.TOKENS})
EVERY_TASK = frozenset(PredictionTask)


class Shown(Flag):
    """Where a metric is shown without being asked for.

    HEADLINE: on top of every page; the first that is measured stands for the model. HEADER: in the box that
    opens there. TILE: on Behavior; UNLABELED_TILE: there too, but only where the items have no labels.
    """

    NOWHERE = 0
    HEADLINE = auto()
    HEADER = auto()
    TILE = auto()
    UNLABELED_TILE = auto()


@dataclass(frozen=True)
class Metric:
    """A named figure that can be measured on predictions.

    needs holds the names of the arguments, `after` alone or `before` and `after`; direction says
    which way is better; interval names the kind of its interval, empty where it has none; change_of is the
    metric whose change it measures, if any; tasks: of which models it is told; metrics of small order are
    shown first.
    """

    name: str
    title: str
    interval: str
    summary: str
    unit: str
    direction: Direction
    needs: tuple[str, ...]
    needs_labels: bool
    order: int
    shown: Shown
    change_of: str
    tasks: frozenset[PredictionTask]
    function: MetricFunction

    @property
    def is_common(self) -> bool:
        """Whether a page may ask for it whatever the task is: it says why it is missing then."""
        return self.tasks >= WITH_CLASSES

    def __call__(self, after: Predictions, before: Predictions | None = None) -> Number:
        """The number, or why it is missing."""
        given = {"after": after, "before": before}
        wanted = {need: found for need in self.needs if (found := given[need]) is not None}
        if len(wanted) < len(self.needs):
            return Number.missing(self.unit, NO_ORIGINAL, after.n)
        if after.kind.task not in self.tasks:
            why = OF_ANOTHER_TASK if after.kind.has_classes else NO_CLASSES_HERE
            return Number.missing(self.unit, why, after.n)
        if (after if before is None else before).answers_nothing:
            return Number.missing(self.unit, ANSWERS_NOTHING, after.n)
        if self.needs_labels and any(each.labels is None and each.wanted is None for each in wanted.values()):
            return Number.missing(self.unit, NO_LABELS, after.n)
        return self.function(**wanted)


_FILES: OneFileEach[Metric] = OneFileEach(
    "compress_core.measure.behavior.metrics", lambda metric: metric.name
)


def metric(
    *,
    title: str,
    unit: str,
    direction: Direction,
    needs_labels: bool,
    order: int,
    interval: str = "",
    shown: Shown = Shown.NOWHERE,
    change_of: str = "",
    tasks: frozenset[PredictionTask] = WITH_CLASSES,
) -> Callable[[MetricFunction], MetricFunction]:
    """Register a function of `after`, or of `before` and `after`, as a metric; it stays a function."""

    def register(function: MetricFunction) -> MetricFunction:
        needs = tuple(inspect.signature(function).parameters)
        assert set(needs) <= {"before", "after"}, f"{function.__name__} asks for {needs}"
        name, docstring = function.__name__, inspect.getdoc(function)
        assert docstring, f"{name} has no docstring to show"
        told = (name, title, interval, docstring.splitlines()[0])
        declared = Metric(
            *told, unit, direction, needs, needs_labels, order, shown, change_of, tasks, function
        )
        _FILES.declare(function.__module__, name, declared)
        return function

    return register


def metrics() -> Mapping[str, Metric]:
    """Every metric by name, in the order of the alphabet."""
    return _FILES.found()


def told_metrics(task: PredictionTask) -> Mapping[str, Metric]:
    """The metrics that are told of models of a task, by name: those of classes say why they are missing."""
    return {n: metric for n, metric in metrics().items() if metric.is_common or task in metric.tasks}


def shown_metrics(place: Shown, task: PredictionTask) -> tuple[Metric, ...]:
    """The metrics of a task that are shown in one of these places, in the order that their files declare."""
    return tuple(metric for metric in every_shown(place) if task in metric.tasks)


def every_shown(place: Shown) -> tuple[Metric, ...]:
    """The same of all tasks."""
    found = (metric for metric in metrics().values() if metric.shown & place)
    return tuple(sorted(found, key=lambda metric: (metric.order, metric.name)))


def numbers(after: Predictions, before: Predictions | None = None) -> dict[str, Number]:
    """Every metric of a model, by name; those against the original only where it is given.

    Those of other tasks are left out, but for those of classes, which say why they are missing.
    """
    return {
        name: metric(after, before)
        for name, metric in told_metrics(after.kind.task).items()
        if before is not None or "before" not in metric.needs
    }
