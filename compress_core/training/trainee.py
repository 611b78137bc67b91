"""A network that is being trained: what learns of it, what is held, and how its weights are made of both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from compress_core.apply.model import Model, parameters_under
from compress_core.apply.trained import TrainedWeights
from compress_core.foundation.errors import Refused
from compress_core.network.copied_tree import copied_tree
from compress_core.network.input_guard import guarded
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import attach_inputs, bias_place, place_in, placed, read_matrix
from compress_core.network.one_memory import views_in
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.input_rules import StaticGrid
from compress_core.training.heard_inputs import HeardInputs
from compress_core.training.learned_inputs import InputInTraining, at_inputs, rules_now
from compress_core.training.parametrization import Parametrization, held_parametrization, pruned_where_zero
from compress_core.training.rounded_biases import PowerOfTwoGrid
from compress_core.training.unit_places import UnitPlaces
from compress_core.training.weight_codes import WeightCodes

INPUT = "input"


@dataclass(frozen=True, eq=False)
class Kept:
    """What was learned at some time: of weights by part and name, and the rest of the state, of any shape."""

    learned: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Tensor]


@dataclass(eq=False)
class Trainee:
    """A copy of a model's network that learns; it has one owner, the loop.

    parts: every weight by its name, the factors of a factored layer each; learned: what learns of each
    weight, by the name that its parametrization gives it; inputs: what stands at the input of a layer of the
    base, whose steps learn beside its first part; beside: the parameters that are no weights of
    layers; bias_grids: to what some of these are rounded, by part; first_masks [out, in]: with which the
    training began, by part; early: what it may go back to; units: of coupled groups, where a method asks for
    them; heard: what layers are given. Changed in place.
    """

    model: Model
    network: nn.Module
    parts: Mapping[str, Layer]
    parametrizations: dict[str, Parametrization]
    inputs: Mapping[str, tuple[InputInTraining, ...]] = field(default_factory=dict)
    learned: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    first_masks: dict[str, Tensor] = field(default_factory=dict)
    beside: dict[str, nn.Parameter] = field(default_factory=dict)
    bias_grids: dict[str, PowerOfTwoGrid] = field(default_factory=dict)
    early: Kept | None = None
    units: tuple[UnitPlaces, ...] = ()
    heard: HeardInputs = field(default_factory=HeardInputs)

    def __post_init__(self) -> None:
        for name, each in self.parametrizations.items():
            self.learned[name] = {key: _leaf(value) for key, value in each.start().items()}

    def weights(self) -> dict[str, Tensor]:
        """The weight [out, in] that each part applies now, differentiable in what learns."""
        return {name: each.weight(self.learned[name]) for name, each in self.parametrizations.items()}

    def learn_inputs(self, names: Iterable[str]) -> bool:
        """From now on the steps of static grids at the inputs of these parts learn; whether there are any."""
        chosen, found = set(names), False
        for layer in self.model.base.layers:
            first = self._parts_of(layer)[0]
            for number, at_input in enumerate(self.inputs.get(layer.name, ())):
                if first in chosen and isinstance(at_input.rule, StaticGrid):
                    at_input.gain = self.learned[first][f"{INPUT} {number}"] = _leaf(torch.ones(()))
                    found = True
        return found

    def codes(self) -> dict[str, WeightCodes]:
        """Which level each weight has now, of the parts whose weights are rounded to even levels."""
        found = {name: each.codes(self.learned[name]) for name, each in self.parametrizations.items()}
        return {name: codes for name, codes in found.items() if codes is not None}

    def round_biases(self, names: Iterable[str], grid: PowerOfTwoGrid) -> None:
        """From now on the biases of these parts that learn are rounded to a grid."""
        self.bias_grids |= {name: grid for name in names if self._bias_of(name) in self.beside}

    def biases(self) -> dict[str, Tensor]:
        """The biases [out] that are rounded as they are applied, by part, differentiable in what learns."""
        return {name: grid.rounded(self._learned_bias(name)) for name, grid in self.bias_grids.items()}

    def bias_codes(self) -> dict[str, WeightCodes]:
        """The levels of the biases that are rounded, by part, each as a weight of one row [1, out]."""
        return {name: grid.codes(self._learned_bias(name)) for name, grid in self.bias_grids.items()}

    def outputs(self, weights: Mapping[str, Tensor], inputs: Tensor) -> Any:
        """What the network answers to inputs [n, ...] with these weights [out, in]."""
        self.heard.inputs.clear()
        self.heard.outputs.clear()
        found = placed(self.network, ((self.parts[name], weight) for name, weight in weights.items()))
        found |= {self._bias_of(name): bias for name, bias in self.biases().items()}
        return functional_call(self.network, found, (inputs,))

    def evaluated(self, weights: Mapping[str, Tensor], inputs: Tensor) -> Any:
        """The same for inputs [n, ...] in evaluation mode, which stays: no dropout, and no input is noted."""
        noted = dict(self.heard.inputs)
        self.network.eval()
        self.heard.listens = False
        try:
            return self.outputs(weights, inputs)
        finally:
            self.heard.listens = True
            self.heard.inputs.update(noted)

    def encoded(self, sparse: Collection[str] = ()) -> TrainedWeights:
        """What would be stored now: new tensors, nothing of them learns on.

        sparse: parts of which a weight that is zero is pruned from then on.
        """
        encoded = {name: each.encoded(self.learned[name]) for name, each in self.parametrizations.items()}
        encoded |= {name: pruned_where_zero(encoded[name]) for name in sparse}
        layers = self.model.base.layers
        by_layer = {layer.name: tuple(encoded[n] for n in self._parts_of(layer)) for layer in layers}
        return TrainedWeights(by_layer, self._rest(), rules_now(self.inputs))

    def masks(self) -> dict[str, Tensor]:
        """Which weights [out, in] may be other than zero, by part."""
        return {
            name: torch.ones(_stored(self.parts[name]), dtype=torch.bool) if each.mask is None else each.mask
            for name, each in self.parametrizations.items()
        }

    def state(self) -> dict[str, Tensor]:
        """Every parameter and buffer that is no weight of a layer, of any shape, as it is now; shared."""
        empty = ((layer, torch.zeros(_stored(layer))) for layer in self.parts.values())
        covered = placed(self.network, empty).keys()
        once = {name for name, _ in (*self.network.named_parameters(), *self.network.named_buffers())}
        saved = self.network.state_dict()
        return {name: tensor.detach() for name, tensor in saved.items() if name in once - covered}

    def kept(self) -> Kept:
        """A copy of all that learns and of the statistics beside it, as they are now."""
        learned = {n: {k: t.detach().clone() for k, t in of.items()} for n, of in self.learned.items()}
        return Kept(learned, {name: tensor.clone() for name, tensor in self.state().items()})

    @torch.no_grad()
    def take(self, kept: Kept) -> None:
        """Go back to what was kept; masks stay."""
        for name, learned in kept.learned.items():
            for key, values in learned.items():
                self.learned[name][key].copy_(values)
        now = self.state()
        for name, values in kept.state.items():
            now[name].copy_(values)

    def _rest(self) -> dict[str, Tensor]:
        """What changed beside the weights, under the names of the base: a factor has its layer's bias."""
        before = {**self.model.base.network.state_dict(), **self.model.rest}
        elsewhere = self._biases_elsewhere()
        changed: dict[str, Tensor] = {}
        rounded = {self._bias_of(name): bias.detach() for name, bias in self.biases().items()}
        for name, values in {**self.state(), **rounded}.items():
            if name in elsewhere:
                base_name, rows = elsewhere[name]
                whole = changed.get(base_name, before[base_name]).clone()
                whole[slice(*rows) if rows else slice(None)] = values
                changed[base_name] = whole
            else:
                changed[name] = values.clone()
        return {n: t for n, t in changed.items() if n not in before or not torch.equal(t, before[n])}

    def _biases_elsewhere(self) -> dict[str, tuple[str, tuple[int, int] | None]]:
        """Biases with another name in the base: of factors, and of projections that became layers."""
        found: dict[str, tuple[str, tuple[int, int] | None]] = {}
        for layer in self.model.base.layers:
            place = bias_place(self.model.base.network, layer)
            there = ".".join(filter(None, (place.module, place.parameter)))
            last = self.parts[self._parts_of(layer)[-1]]
            here = self._bias_of(last.name)
            if here != there:
                found[here] = (there, place.rows)
        return found

    def _bias_of(self, part: str) -> str:
        """The name of its bias in the network that learns, if there is one."""
        return f"{place_in(self.network, self.parts[part]).module}.bias"

    def _learned_bias(self, part: str) -> Tensor:
        return self.beside[self._bias_of(part)]

    def _parts_of(self, layer: Layer) -> tuple[str, ...]:
        return tuple(part.name for part, _ in encoded_parts(self.model, layer))


def trainee_of(model: Model, listens: Callable[[str], bool] = lambda _: False) -> Trainee:
    """A model ready to be trained, in the form in which it is stored; raises Refused where it cannot be.

    listens: of which parts the inputs are noted.
    """
    pairs = [pair for layer in model.base.layers for pair in encoded_parts(model, layer)]
    network = guarded(copied_tree(replace(model, inputs={}).network(), {}))
    _refuse_views(model)
    parts, heard = {layer.name: layer for layer, _ in pairs}, HeardInputs()
    inputs = at_inputs(model.inputs)
    for name, rules in inputs.items():
        attach_inputs(network, model.base.by_name[name], rules)
    for name in filter(listens, parts):
        attach_inputs(network, parts[name], (partial(heard.note, layer=name),))
    held = {layer.name: held_parametrization(encoded) for layer, encoded in pairs}
    trainee = Trainee(model, network, parts, held, inputs, heard=heard)
    covered = placed(network, ((layer, encoded.values) for layer, encoded in pairs))
    left_alone = _left_alone(network, model.subject.locked)
    for name, parameter in network.named_parameters():
        if name not in covered and name not in left_alone and parameter.is_floating_point():
            parameter.requires_grad_()
            trainee.beside[name] = parameter
    return trainee


def encoded_parts(model: Model, layer: Layer) -> tuple[tuple[Layer, EncodedWeight], ...]:
    """The weights that stand for a layer of the base, as they are stored."""
    if layer.name in model.compressed:
        return model.compressed[layer.name].parts
    return ((layer, EncodedWeight(read_matrix(model.base.network, layer))),)


def _left_alone(network: nn.Module, locked: Iterable[str]) -> set[str]:
    """Parameters of layers that are locked: an edit of them may not reach what is evaluated."""
    return {name for layer in locked for name in parameters_under(network, layer)}


def _refuse_views(model: Model) -> None:
    """One memory under two shapes would be trained as two."""
    views = views_in(dict(model.base.network.named_parameters()))
    for name, view in views.items():
        raise Refused(
            "{model} cannot be trained: {parameter} lies in the memory of {other} in another form, and after "
            "a step they would differ: give each a tensor of its own.",
            model=model.subject.title,
            parameter=name,
            other=view.of,
        )


def _leaf(values: Tensor) -> Tensor:
    return values.detach().clone().requires_grad_()


def _stored(layer: Layer) -> tuple[int, int]:
    return layer.rows, layer.columns
