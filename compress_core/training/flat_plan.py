"""A plan from methods by name and knobs side by side, as a command line and a call in Python give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compress_core.foundation.errors import Refused
from compress_core.training.method import training_method_named, training_methods
from compress_core.training.plan import USUAL, Plan, TrainingKnobs, parse_plan


def flat_plan(methods: Sequence[str], knobs: Mapping[str, object]) -> Plan:
    """Each knob goes to the training where it has one of that name, and to every method that has one.

    Raises Refused for a knob that nobody has, with those there are.
    """
    chosen = [training_method_named(name) for name in methods] or [training_method_named(USUAL)]
    common = TrainingKnobs.model_fields
    of_methods = {name for method in chosen for name in method.knobs.model_fields}
    for name in knobs:
        if name not in common and name not in of_methods:
            raise _nobody_has(name, [method.name for method in chosen], [*common, *sorted(of_methods)])
    steps = [
        {"method": method.name, **{n: v for n, v in knobs.items() if n in method.knobs.model_fields}}
        for method in chosen
    ]
    return parse_plan({**{n: v for n, v in knobs.items() if n in common}, "methods": steps})


def _nobody_has(name: str, methods: Sequence[str], known: Sequence[str]) -> Refused:
    owners = [other for other, method in training_methods().items() if name in method.knobs.model_fields]
    if owners:
        return Refused(
            "{knob} is a knob of {owners}, and this training is by {methods}: add that method, or leave "
            "{knob} out.",
            knob=name,
            owners=", ".join(owners),
            methods=", ".join(methods),
        )
    return Refused(
        "A training by {methods} has no knob {knob}; it has {known}: correct the name or leave it out.",
        methods=", ".join(methods),
        knob=name,
        known=", ".join(known),
    )
