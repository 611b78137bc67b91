"""What a metric is: a pure function of predictions, declared once in its own file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.predictions import Predictions

Direction = Literal["higher", "lower", "none"]
MetricFunction = Callable[..., Number]

NO_LABELS = N_("The items have no labels.")
NO_ORIGINAL = N_("There is no original to compare with.")
NOT_FINITE = N_("The model's outputs are not finite for some items.")

_found: dict[str, Metric] = {}


@dataclass(frozen=True)
class Metric:
    """A named figure that can be measured on predictions.

    needs holds the names of the arguments, `after` alone or `before` and `after`; direction says
    which way is better.
    """

    name: str
    title: str
    summary: str
    unit: str
    direction: Direction
    needs: tuple[str, ...]
    needs_labels: bool
    function: MetricFunction

    def __call__(self, after: Predictions, before: Predictions | None = None) -> Number:
        """The number, or why it is missing."""
        given = {"after": after, "before": before}
        wanted = {need: found for need in self.needs if (found := given[need]) is not None}
        if len(wanted) < len(self.needs):
            return Number.missing(self.unit, NO_ORIGINAL, after.n)
        if self.needs_labels and any(predictions.labels is None for predictions in wanted.values()):
            return Number.missing(self.unit, NO_LABELS, after.n)
        return self.function(**wanted)


def metric(
    *, title: str, unit: str, direction: Direction, needs_labels: bool
) -> Callable[[MetricFunction], MetricFunction]:
    """Register a function of `after`, or of `before` and `after`, as a metric; it stays a function."""

    def register(function: MetricFunction) -> MetricFunction:
        needs = tuple(inspect.signature(function).parameters)
        assert set(needs) <= {"before", "after"}, f"{function.__name__} asks for {needs}"
        name, docstring = function.__name__, inspect.getdoc(function)
        assert docstring, f"{name} has no docstring to show"
        known = _found.get(name)
        assert known is None or known.function.__module__ == function.__module__, f"two metrics {name}"
        summary = docstring.splitlines()[0]
        _found[name] = Metric(name, title, summary, unit, direction, needs, needs_labels, function)
        return function

    return register


def registered() -> Mapping[str, Metric]:
    """The metrics whose files were imported so far, by name."""
    return MappingProxyType(dict(sorted(_found.items())))
