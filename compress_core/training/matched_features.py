"""Outputs of hidden layers of a student beside those of its teacher: another thing to learn than answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.network.calibrate import forward_order
from compress_core.network.layers.kinds import Layer, LayerKind
from compress_core.network.shared_copy import shared_copy
from compress_core.training.heard_inputs import HeardInputs
from compress_core.training.trainee import Trainee

LAST_HIDDEN = "last_hidden"
"""In the place of names: the last layer but one of either network."""
_TRIED = 2

Features = tuple[tuple[Tensor, Tensor], ...]
"""Outputs of layers of the student and of its teacher, pairs of equal shape, whatever that is."""


@dataclass(frozen=True, eq=False)
class MatchedFeatures:
    """Which layers are set side by side, student and teacher, by name; what they give is noted."""

    pairs: tuple[tuple[str, str], ...]
    student: HeardInputs
    teacher: HeardInputs
    network: nn.Module

    def of(self, inputs: Tensor) -> Features:
        """What the student's layers gave in its last pass, and the teacher's to inputs [n, ...]."""
        self.teacher.outputs.clear()
        with torch.no_grad():
            self.network(inputs)
        return tuple(
            pair
            for one, other in self.pairs
            for pair in zip(self.student.outputs[one], self.teacher.outputs[other], strict=True)
        )


def matched_features(
    names: str, trainee: Trainee, teacher: Model, network: nn.Module, items: Tensor
) -> MatchedFeatures:
    """Listen to these layers of both from now on; items [N, ...], on a few of which it is tried.

    names: with commas between them, or the word for the last hidden layer. Raises Refused where a layer is
    not there, gives nothing to look at, or gives outputs of two shapes.
    """
    student = trainee.model
    if names.strip() == LAST_HIDDEN:
        pairs = [(_last_hidden(student), _last_hidden(teacher))]
    else:
        asked = [name.strip() for name in names.split(",")]
        pairs = [(_layer_of(student, name), _layer_of(teacher, name)) for name in asked]
    found = MatchedFeatures(
        tuple((one.name, other.name) for one, other in pairs), trainee.heard, HeardInputs(), network
    )
    for one, other in pairs:
        _listen(trainee.network, one, found.student)
        _listen(network, other, found.teacher)
    _try(found, trainee, items[:_TRIED])
    return found


def _layer_of(model: Model, name: str) -> Layer:
    layers = {layer.name: layer for layer in model.base.layers}
    if name not in layers:
        raise Refused(
            "{model} has no layer {name!r} whose outputs could be matched; its layers are {known}: correct "
            "the name.",
            model=model.subject.title,
            name=name,
            known=", ".join(layers),
        )
    if layers[name].kind not in {LayerKind.LINEAR, LayerKind.CONVOLUTION}:
        raise Refused(
            "What {layer} gives is not seen on its way, so it cannot be matched: name a linear layer or a "
            "convolution.",
            layer=name,
        )
    return layers[name]


def _last_hidden(model: Model) -> Layer:
    base = model.base
    order = forward_order(shared_copy(base.network), base.layers, base.input.baseline)
    if len(order) < 2:
        raise Refused("{model} has no hidden layer to match: leave feature_weight at 0.", model=base.title)
    return _layer_of(model, order[-2])


def _listen(network: nn.Module, layer: Layer, heard: HeardInputs) -> None:
    network.get_submodule(layer.name).register_forward_hook(partial(_note, heard, layer.name))


def _note(heard: HeardInputs, layer: str, _module: nn.Module, _given: Any, gave: Tensor) -> None:
    heard.note_output(gave, layer=layer)


@torch.no_grad()
def _try(found: MatchedFeatures, trainee: Trainee, inputs: Tensor) -> None:
    trainee.network.eval()
    trainee.outputs(trainee.weights(), inputs)
    network = found.network
    network(inputs)
    for one, other in found.pairs:
        shapes = [
            _shapes(heard.outputs, name) for heard, name in ((found.student, one), (found.teacher, other))
        ]
        if shapes[0] != shapes[1] or not shapes[0]:
            raise Refused(
                "{layer} gives outputs of shape {got} for an item, and {other} of the teacher {wanted}: only "
                "equally large ones are matched; name other layers with feature_layers, or leave "
                "feature_weight at 0.",
                layer=one,
                got=shapes[0],
                other=other,
                wanted=shapes[1],
            )


def _shapes(heard: Mapping[str, Sequence[Tensor]], name: str) -> list[list[int]]:
    """The shapes of one item, for each time that a layer ran."""
    return [list(gave.shape[1:]) for gave in heard.get(name, ())]
