"""How the visitor wants to train: a plan, kept in the session and carried by the page's link."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.training.method import TrainingMethod, training_methods
from compress_core.training.plan import Plan, parse_plan
from dashboard.shared_choice import SharedChoice

USUAL = '{"epochs":3,"methods":[{"method":"distill"}]}'
Steps = list[dict[str, Any]]


def _read(text: str) -> str | None:
    try:
        return parse_plan(json.loads(text)).text
    except (Refused, ValueError, RecursionError):  # of a link that nobody's page has written
        return None


_CHOICE = SharedChoice("plan", USUAL, _read)


def chosen_plan() -> Plan:
    """The plan that is set now."""
    return parse_plan(json.loads(_CHOICE.chosen()))


def choose(plan: Plan) -> None:
    """Set another plan."""
    _CHOICE.choose(plan.text)


def judges() -> Mapping[str, TrainingMethod]:
    """The methods that say how answers are judged, of which a plan has one."""
    return {name: method for name, method in training_methods().items() if says_how_to_judge(method)}


def others() -> Mapping[str, TrainingMethod]:
    """The methods that may stand beside it."""
    return {name: method for name, method in training_methods().items() if name not in judges()}


def says_how_to_judge(method: TrainingMethod) -> bool:
    """Whether a training may have no other method of that kind."""
    return method.hooks(method.knobs()).loss is not None


def with_methods(plan: Plan, judge: str, beside: Sequence[str]) -> Plan:
    """The plan by these methods, each with the knobs that it has now; raises Refused."""
    known = {step.method.name: step.as_json() for step in plan.steps}
    return _changed(
        plan, lambda said: said | {"methods": [known.get(n, {"method": n}) for n in (judge, *beside)]}
    )


def with_training_knob(plan: Plan, name: str, value: object) -> Plan:
    """The plan with another value of what every training has; raises Refused."""
    return _changed(plan, lambda said: said | {name: value})


def with_method_knob(plan: Plan, method: str, name: str, value: object) -> Plan:
    """The plan with another value of a method's knob, or of the layers it is for; raises Refused."""

    def moved(said: dict[str, Any]) -> dict[str, Any]:
        steps: Steps = said["methods"]
        return said | {
            "methods": [step | {name: value} if step["method"] == method else step for step in steps]
        }

    return _changed(plan, moved)


def _changed(plan: Plan, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Plan:
    return parse_plan(change(plan.as_json()))
