"""What a training method is: a pure function of its knobs, in a file of its own, that says what is called.

The loop knows places, not methods. At each place a method may leave a pure function, which asks by the names
of its arguments for what it uses; methods combine because the loop calls what each of them left, in order.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from compress_core.foundation.declared_knobs import knobs_of, told
from compress_core.foundation.errors import Refused
from compress_core.foundation.near_names import near_names
from compress_core.foundation.one_file_each import OneFileEach
from compress_core.network.layers.kinds import Layer
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.training.parametrization import Parametrization
from compress_core.training.rounded_biases import PowerOfTwoGrid

HookFunction = Callable[..., Any]
TEACHER_ANSWERS = "teacher_answers"
"""By this name a loss asks for what the teacher answers."""


@dataclass(frozen=True)
class Rewinding:
    """A training in rounds: each but the first begins with what was learned after `early` epochs.

    In each of the rounds, parts of the training of equal length, the learning rate falls anew.
    masks -> with which masks [out, in] bool by layer a round begins; called with weights and masks at its
    start, before anything goes back.
    """

    rounds: int
    early: int
    masks: HookFunction


@dataclass(frozen=True)
class Hooks:
    """What a method does at the places of the loop; where it leaves None, it does nothing.

    Each asks by argument names, `compress_core/training/batch_values.py` and the loop say for what:
    loss -> how wrong the outputs of a batch are, a scalar, as the objective measures it; one method of a
    training has it.
    penalty -> what is added to the loss.
    note -> anything, worked out before each epoch from `encoded`, the weights by layer as they would be
    stored, and their `codes`, and the same of rounded biases; the penalty asks for it by the name `noted`.
    begin -> the masks [out, in] bool by layer with which the training begins, or None for those of the model.
    masks -> other masks [out, in] bool by layer, or None; called before each step with weights, gradients.
    shrink -> the weights [out, in] by layer after each step, moved towards zero; what is zero is pruned.
    parametrization(layer, encoded) -> what of a weight learns, None where the method leaves it as it is;
    one method of a training has it.
    biases: the grid to which the biases of layers are rounded while they learn, None where they are not;
    one method of a training has it for a layer.
    input_steps: whether the steps of static grids at the inputs of layers learn with its weights.
    rewinding: rounds that begin with early weights; one method of a training has it.
    features: names of the layers whose outputs are set beside those of the teacher, as one word; None where
    no place asks for them.
    ready_at: the share of the training after which the network is what the method promises, as sparse as
    it was to become; of the epochs that end later, the one with the best score is given.
    """

    loss: HookFunction | None = None
    penalty: HookFunction | None = None
    note: HookFunction | None = None
    begin: HookFunction | None = None
    masks: HookFunction | None = None
    shrink: HookFunction | None = None
    parametrization: Callable[[Layer, EncodedWeight], Parametrization | None] | None = None
    biases: PowerOfTwoGrid | None = None
    input_steps: bool = False
    rewinding: Rewinding | None = None
    features: str | None = None
    ready_at: float = 0.0

    @property
    def in_batch(self) -> tuple[HookFunction, ...]:
        """What is called with the values of a batch."""
        return tuple(place for place in (self.loss, self.penalty) if place is not None)

    @property
    def places(self) -> tuple[HookFunction, ...]:
        """All that is called by the names of what it asks for."""
        going_back = None if self.rewinding is None else self.rewinding.masks
        every = (self.loss, self.penalty, self.note, self.begin, self.masks, self.shrink, going_back)
        return tuple(place for place in every if place is not None)

    @property
    def weight_by_weight(self) -> bool:
        """Whether single weights are moved or chosen, so that they must learn one by one."""
        places = (self.begin, self.masks, self.shrink, self.rewinding)
        return any(place is not None for place in places)


def asked_by(place: HookFunction) -> tuple[str, ...]:
    """The names of what a function of the loop asks for; knobs are given to it beforehand, by keyword."""
    parameters = inspect.signature(place).parameters.values()
    return tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)


def call_hook(place: HookFunction, supplied: Mapping[str, Any]) -> Any:
    """A function of the loop, called with what it asks for."""
    return place(**{name: supplied[name] for name in asked_by(place)})


@dataclass(frozen=True)
class TrainingMethod:
    """A way to train and all that is known of it from its signature and docstring."""

    name: str
    function: Callable[..., Hooks]
    knobs: type[BaseModel]
    order: int
    summary: str
    details: str
    source: str

    def hooks(self, knobs: BaseModel) -> Hooks:
        """What the method does at the places of the loop with these knobs."""
        return self.function(**{name: getattr(knobs, name) for name in self.knobs.model_fields})


_FILES: OneFileEach[TrainingMethod] = OneFileEach(
    "compress_core.training.methods", lambda method: (method.order, method.name)
)


def training_method(*, order: int) -> Callable[[Callable[..., Hooks]], Callable[..., Hooks]]:
    """Register a function of knobs as a method; methods of small order are shown first."""

    def register(function: Callable[..., Hooks]) -> Callable[..., Hooks]:
        name = getattr(function, "__name__")  # noqa: B009 - a Callable has no __name__ for mypy
        summary, details, source = told(inspect.getdoc(function) or "")
        declared = TrainingMethod(name, function, knobs_of(function), order, summary, details, source)
        _FILES.declare(function.__module__, name, declared)
        return function

    return register


def training_methods() -> Mapping[str, TrainingMethod]:
    """Every method by name, in the order that their files declare."""
    return _FILES.found()


def training_method_named(name: str) -> TrainingMethod:
    """The method of that name; raises Refused with the names that are near."""
    known = training_methods()
    if name not in known:
        hint = near_names(name, known)
        raise Refused("No training method is called {name!r}; {hint}.", name=name, hint=hint)
    return known[name]
