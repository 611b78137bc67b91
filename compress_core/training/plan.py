"""A training as frozen data: its methods with their knobs, and what all of them share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from compress_core.foundation.cached import cached_property
from compress_core.foundation.declared_knobs import checked_knobs
from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.knobs import Magnitudes, SliderStep, Strict, Unit
from compress_core.training.method import Hooks, Rewinding, TrainingMethod, training_method_named

USUAL = "fine_tune"
MOST_METHODS = 8


class TrainingKnobs(Strict):
    """What every training has, whatever its methods."""

    epochs: Annotated[
        int, Field(ge=1, le=1000, description="How often every training item is seen."), Unit("epoch")
    ] = 5
    batch_size: Annotated[
        int, Field(ge=1, le=4096, description="How many items a step learns from."), Unit("items")
    ] = 128
    learning_rate: Annotated[
        float,
        Field(gt=0, le=10, description="How far a step goes at most; it falls along half a cosine."),
        Magnitudes(1e-5, 0.1),
    ] = 1e-3
    weight_decay: Annotated[
        float,
        Field(ge=0, le=1, description="How strongly weights are pulled towards zero at each step."),
        Magnitudes(1e-5, 0.1),
    ] = 0.0
    warmup: Annotated[
        float,
        Field(ge=0, lt=1, description="Over which share of the steps the learning rate rises."),
        Unit("share"),
        SliderStep(0.01),
    ] = 0.05
    start: Annotated[
        Literal["trained", "scratch"],
        Field(description="Whether training goes on from the weights as they are, or from random ones."),
    ] = "trained"
    seed: Annotated[int, Field(ge=0, lt=2**31, description="Decides the order of the items.")] = 0


@dataclass(frozen=True)
class MethodStep:
    """A method with its knobs; match: for which layers, a pattern of names."""

    method: TrainingMethod
    knobs: BaseModel
    match: str = "*"

    @cached_property
    def hooks(self) -> Hooks:
        return self.method.hooks(self.knobs)

    def chosen_of(self, names: Sequence[str]) -> tuple[str, ...]:
        """The layers that the step speaks of."""
        return tuple(name for name in names if fnmatchcase(name, self.match))

    def as_json(self) -> dict[str, Any]:
        """Plain values; a knob that has its default is left out, so that a new one changes no key."""
        said = {"method": self.method.name, **self.knobs.model_dump(mode="json", exclude_defaults=True)}
        return said if self.match == "*" else {**said, "match": self.match}


@dataclass(frozen=True)
class Plan:
    """Methods in the order in which the loop calls them, one of which says how outputs are judged."""

    knobs: TrainingKnobs
    steps: tuple[MethodStep, ...]

    @property
    def ready_at(self) -> float:
        """The share of the training after which all methods have done what they promise."""
        return max(step.hooks.ready_at for step in self.steps)

    @property
    def rewinding(self) -> Rewinding | None:
        """The rounds that begin with early weights, where a method has such."""
        return next((s.hooks.rewinding for s in self.steps if s.hooks.rewinding is not None), None)

    @property
    def rounds(self) -> int:
        """In how many rounds the learning rate falls."""
        return 1 if self.rewinding is None else self.rewinding.rounds

    def as_json(self) -> dict[str, Any]:
        """Plain values, as files, links and keys hold them."""
        common = self.knobs.model_dump(mode="json", exclude_defaults=True)
        return {**common, "methods": [step.as_json() for step in self.steps]}

    @property
    def text(self) -> str:
        """The one JSON text of a plan."""
        return json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse_plan(values: object) -> Plan:
    """A plan from plain values; raises Refused with what to change.

    A plan without a method that judges outputs learns from labels: `fine_tune` is put in front.
    """
    if not isinstance(values, Mapping):
        raise Refused(
            "A training is a mapping of its knobs and methods, but got {got}: see slimscope train --help.",
            got=shortened(values),
        )
    said = {str(name): value for name, value in values.items()}
    methods = said.pop("methods", [])
    if not isinstance(methods, Sequence) or isinstance(methods, str) or len(methods) > MOST_METHODS:
        raise Refused(
            "The methods of a training are a list of at most {most}, but got {got}: give each as a mapping "
            "with its name under method.",
            most=MOST_METHODS,
            got=shortened(methods),
        )
    knobs = checked_knobs("training", TrainingKnobs, said)
    return planned(knobs, [_step(method) for method in methods])


def planned(knobs: TrainingKnobs, steps: Sequence[MethodStep]) -> Plan:
    """A plan of these steps; raises Refused where they do not go together."""
    judges = [step.method.name for step in steps if step.hooks.loss is not None]
    if not judges:
        usual = training_method_named(USUAL)
        steps = [MethodStep(usual, checked_knobs(USUAL, usual.knobs, {})), *steps]
    _refuse_two(judges, "{first} and {second} both say how the outputs are judged: leave one of them out.")
    parametrizations = [step.method.name for step in steps if step.hooks.parametrization is not None]
    _refuse_two(
        parametrizations, "{first} and {second} both say how weights are rounded: leave one of them out."
    )
    rewinders = [step.method.name for step in steps if step.hooks.rewinding is not None]
    _refuse_two(rewinders, "{first} and {second} both go back to early weights: leave one of them out.")
    return Plan(knobs, tuple(steps))


def _refuse_two(names: Sequence[str], text: str) -> None:
    if len(names) > 1:
        raise Refused(text, first=names[0], second=names[1])


def _step(values: object) -> MethodStep:
    if isinstance(values, str):
        values = {"method": values}
    match values:
        case {"method": str() as name, **others}:
            method, said = training_method_named(name), {str(k): value for k, value in others.items()}
            pattern = said.pop("match", "*")
            if not isinstance(pattern, str):
                raise Refused("{name}: match must be a pattern of layer names, got {got}.", name=name,
                              got=shortened(pattern))  # fmt: skip
            return MethodStep(method, checked_knobs(name, method.knobs, said), pattern)
    raise Refused(
        "A method of a training is a mapping with its name under method, but got {got}: correct it.",
        got=shortened(values),
    )
