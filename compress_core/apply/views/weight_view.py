"""Where criteria, pruners, quantizers and factorizers stand: at one weight, between others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from compress_core.apply.argument import (
    Argument,
    ArgumentView,
    DependsOn,
    argument_named,
    called,
    depends_together,
)
from compress_core.apply.context import Context, Part, generator_for, start
from compress_core.apply.views.companions import measure_together, statistic_key, tensor_bytes
from compress_core.foundation.store import Store, digest
from compress_core.network.calibrate import LayerReads
from compress_core.network.layers.kinds import Layer
from compress_core.recipe.values import Step
from compress_core.selection.scores import Scores
from compress_core.statistics import Statistic, statistics
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.results import Factored, Pruned, Quantized

T = TypeVar("T")


@dataclass(frozen=True)
class NetworkView(ArgumentView):
    """What all weights of a network have around them; the context holds no layers but declared ones."""

    _context: Context

    def items(self) -> Tensor:
        """Calibration items [N, ...]; raises Refused where the model came without them."""
        self._look(DependsOn.ITEMS)
        return self._context.items()[0]

    def labels(self) -> Tensor | None:
        """Their labels [N], None where there are none."""
        self._look(DependsOn.LABELS)
        return self._context.items()[1]

    @property
    def answers(self) -> AnswerKind:
        """What the network's answers are: it belongs to the base, as its key does."""
        return self._context.base.answers

    def network(self) -> nn.Module:
        """The base with what was factored up to this layer, nothing else done; the caller owns it."""
        self._look(DependsOn.FACTORED_LAYERS)
        return self._context.network()

    def whole_network(self) -> nn.Module:
        """The base with all that was factored, nothing else done; the caller owns it."""
        self._look(DependsOn.FACTORED_LAYERS | DependsOn.LATER_LAYERS)
        return self._context.network()

    def compressed_network(self) -> nn.Module:
        """The base with all layers before this one as they are now; the caller owns it."""
        self._look(DependsOn.FACTORED_LAYERS | DependsOn.EARLIER_LAYERS)
        return self._context.compressed_network()

    def whole_layers(self) -> tuple[Layer, ...]:
        """Its layers, factors in the place of factored ones."""
        self._look(DependsOn.FACTORED_LAYERS | DependsOn.LATER_LAYERS)
        return self._context.layers()


@dataclass(frozen=True)
class WeightView(NetworkView):
    """A weight on its way, with what is around it."""

    results: ClassVar[tuple[type, ...]] = (Scores, Pruned, Quantized, Factored)
    derives: ClassVar[bool] = True

    _part: Part
    _step: Step | None

    @property
    def name(self) -> str:
        return self._part.layer.name

    @property
    def layer(self) -> Layer:
        """The layer; that of a factor has the shape of its weight."""
        self._look(DependsOn.WEIGHT)
        return self._part.layer

    @property
    def weight(self) -> Tensor:
        """The weight [out, in * k] as the steps before left it."""
        self._look(DependsOn.WEIGHT)
        return self._part.encoded.weight

    @property
    def mask(self) -> Tensor:
        """Which of it stay [out, in * k] bool."""
        self._look(DependsOn.WEIGHT)
        mask, weight = self._part.encoded.mask, self._part.encoded.weight
        return torch.ones(1, 1, dtype=torch.bool).expand_as(weight) if mask is None else mask.tensor

    def generator(self) -> torch.Generator:
        """A generator for the seed of the step and the name of the layer."""
        assert self._step is not None, "only a technique draws at random"
        return generator_for(getattr(self._step.knobs, "seed", 0), self.name)

    def inputs_in(self, network: nn.Module) -> LayerReads:
        """What the layer reads on calibration items, batch by batch [groups, positions, in * k]."""
        self._look(DependsOn.ITEMS | DependsOn.FACTORED_LAYERS)
        return LayerReads(network, self._part.layer, self.items())

    def measured(self, make: Callable[[NetworkView], Mapping[str, T]], size: Callable[[T], int]) -> T:
        """What `make` measures for all weights at once, kept by what is declared: its answer for this one."""
        assert DependsOn.WEIGHT not in self.argument.depends_on, "what all weights share is of none of them"
        context, declared = self._context, self.argument.depends_on
        found = context.derived(
            digest(self.argument.name, *context.seen(declared, self._part)),
            lambda: make(NetworkView(self.argument, context)),
            lambda made: sum(map(size, made.values())),
        )
        return found[self.name]


def technique_result(step: Step, part: Part, context: Context) -> Any:
    """Call a technique with what it asks for by name."""
    return called(step, [supply(name, part, step, context) for name in step.method.needs])


def supply(name: str, part: Part, step: Step | None, context: Context) -> Any:
    """One argument of a technique or a statistic: given, or derived once and kept."""
    found = argument_named(WeightView, name)
    if found is not None:
        return found.supply(_view(found, part, step, context))
    derived = statistics()[name]
    if derived.running_sum is not None:
        _measure_together(derived, part, context)

    def derive_it() -> Any:
        return derived.function(*(supply(need, part, None, context) for need in derived.needs))

    key = statistic_key(derived, depends_on_statistic(name), part, context)
    return context.derived(key, derive_it, tensor_bytes)


def _measure_together(derived: Statistic, part: Part, context: Context) -> None:
    """Have a statistic that adds up measured with that of the weight's companions, as far as they fit."""
    (need,) = derived.needs
    depends = depends_on_statistic(derived.name)
    measure_together(derived, depends, part, context, lambda: supply(need, part, None, context))


def _view(found: Argument, part: Part, step: Step | None, context: Context) -> WeightView:
    return WeightView(found, context.limited(found.depends_on, part), part, step)


def derive(subject: Subject, layer: str, name: str, store: Store, among: Collection[str] = ()) -> Any:
    """A statistic of a layer of an original or a base, kept by content.

    among: the names of layers of which it will be asked as well; those that fit into one pass share it.
    """
    context = _with_companions(subject, among, store)
    return supply(name, start(subject.layer(layer), context), None, context)


def read_together(subject: Subject, layer: str, step: Step, store: Store, among: Collection[str]) -> None:
    """Have what a step asks of the inputs of a layer measured, with that of others it will be done to.

    Nothing is done where it asks nothing of them, and nothing is said where it cannot be measured.
    """
    asked = [derived for derived in _behind(step.method.needs) if derived.running_sum is not None]
    if asked and layer not in subject.problems:
        context = _with_companions(subject, among, store)
        for derived in asked:
            _measure_together(derived, start(subject.layer(layer), context), context)


def _with_companions(subject: Subject, names: Collection[str], store: Store) -> Context:
    alone = Context(subject, store)
    sound = [name for name in names if name not in subject.problems]
    return replace(alone, companions=lambda _: (start(subject.layer(name), alone) for name in sound))


def depends_on_statistic(name: str) -> DependsOn:
    """What a statistic depends on: all that it is derived from does."""
    return depends_together(WeightView, statistics()[name].needs, name)


def is_asked_by(step: Step, statistic: str) -> bool:
    """Whether a statistic is among what a step asks for, or behind it."""
    return any(derived.name == statistic for derived in _behind(step.method.needs))


def _behind(needs: Iterable[str]) -> Iterator[Statistic]:
    """The statistics among these arguments, and those that they are derived from."""
    for name in needs:
        derived = statistics().get(name)
        if derived is not None and argument_named(WeightView, name) is None:
            yield derived
            yield from _behind(derived.needs)
