"""How the visitor wants to train: a plan, kept in the session and carried by the page's link."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from compress_core.training.method import TEACHER_ANSWERS, TrainingMethod, asked_by, training_methods
from compress_core.training.objective import TrainingObjective
from compress_core.training.plan import Plan, parse_plan
from dashboard.training_choice import PLAN, choose_text

Steps = list[dict[str, Any]]


def chosen_plan() -> Plan:
    """The plan that is set now."""
    return parse_plan(json.loads(PLAN.chosen()))


def choose(plan: Plan) -> None:
    """Set another plan."""
    choose_text(plan.text)


def judges(objective: TrainingObjective | None = None) -> Mapping[str, TrainingMethod]:
    """The methods that say how answers are judged, of which a plan has one.

    objective: only those that learn from what it has, where that are no labels from a teacher.
    """
    every = {name: method for name, method in training_methods().items() if says_how_to_judge(method)}
    if objective is None or objective.learns_from_labels:
        return every
    return {name: method for name, method in every.items() if _asks_a_teacher(method)}


def _asks_a_teacher(method: TrainingMethod) -> bool:
    loss = method.hooks(method.knobs()).loss
    return loss is not None and TEACHER_ANSWERS in asked_by(loss)


def others() -> Mapping[str, TrainingMethod]:
    """The methods that may stand beside it."""
    return {name: method for name, method in training_methods().items() if name not in judges()}


def says_how_to_judge(method: TrainingMethod) -> bool:
    """Whether a training may have no other method of that kind."""
    return method.hooks(method.knobs()).loss is not None


def with_methods(plan: Plan, judge: str, beside: Sequence[str]) -> Plan:
    """The plan by these methods, each with the knobs that it has now; raises Refused.

    A method that the plan has more than once, for some layers each time, stays so.
    """

    def chosen(said: dict[str, Any]) -> dict[str, Any]:
        steps: Steps = said["methods"]
        named = {name: [step for step in steps if step["method"] == name] for name in (judge, *beside)}
        return said | {"methods": [step for n, found in named.items() for step in found or [{"method": n}]]}

    return _changed(plan, chosen)


def with_training_knob(plan: Plan, name: str, value: object) -> Plan:
    """The plan with another value of what every training has; raises Refused."""
    return _changed(plan, lambda said: said | {name: value})


def with_method_knob(plan: Plan, place: int, name: str, value: object) -> Plan:
    """The plan with another value of a knob of one of its methods, or of the layers it is for.

    place: which method, from 0. Raises Refused.
    """

    def moved(said: dict[str, Any]) -> dict[str, Any]:
        steps: Steps = said["methods"]
        return said | {
            "methods": [step | {name: value} if at == place else step for at, step in enumerate(steps)]
        }

    return _changed(plan, moved)


def _changed(plan: Plan, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Plan:
    return parse_plan(change(plan.as_json()))
