"""A plan as it would be typed: methods by name, knobs side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping

from compress_core.foundation.errors import Refused
from compress_core.training.flat_plan import flat_plan
from compress_core.training.plan import Plan


def words_of_plan(plan: Plan) -> list[str] | None:
    """The options of `slimscope train` that make this plan; None where no options do.

    None for methods of some layers only, and where two methods have a knob of one name and different values.
    """
    methods = [step.method.name for step in plan.steps]
    knobs: dict[str, object] = {}
    for said in [plan.as_json(), *(step.as_json() for step in plan.steps)]:
        own = {name: value for name, value in said.items() if name not in {"methods", "method"}}
        if any(knobs.get(name, value) != value for name, value in own.items()):
            return None
        knobs |= own
    return _typed(methods, knobs) if _makes(methods, knobs, plan) else None


def _makes(methods: list[str], knobs: Mapping[str, object], plan: Plan) -> bool:
    try:
        return flat_plan(methods, knobs).text == plan.text
    except Refused:
        return False


def _typed(methods: list[str], knobs: Mapping[str, object]) -> list[str]:
    words = [word for name in methods for word in ("--method", name)]
    for name, value in sorted(knobs.items()):
        words += [f"--{name.replace('_', '-')}", value if isinstance(value, str) else json.dumps(value)]
    return words
