"""The network of a packed file: the model it was made of, with the structure and the tensors of the file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.deliver.packing.coder import Damaged
from compress_core.network.layers.factors import axes_of, shapes_in_file, write_factors
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.kinds import Layer, LayerKind
from compress_core.network.layers.places import attach_inputs, read_bias, with_bias, write_bias
from compress_core.network.shared_copy import shared_copy
from compress_core.structure.structure import Structure
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.input_rules import rule_from_json


def rebuilt(subject: Subject, structure: Mapping[str, Any], state: Mapping[str, Tensor]) -> nn.Module:
    """The subject's network with a file's structure, factored layers, rules and tensors of any shape.

    Raises Damaged, Refused, or what the network's own parts raise, where they do not fit together.
    """
    network = shared_copy(subject.network)
    if "structure" in structure:
        network = Structure.from_json(structure["structure"]).built(subject.network)
    layers, _ = find_layers(network)
    for layer in layers:
        if _has_new_bias(network, layer, state):
            write_bias(network, layer, torch.zeros(layer.rows))
    before = network.state_dict()
    for layer in layers:
        shapes = _small_shapes(layer, state, before)
        if shapes:
            axes_of(layer, shapes)
            write_factors(network, layer, [torch.zeros(shape) for shape in shapes])
    by_name = {layer.name: layer for layer in layers}
    for name, rules in structure.get("inputs", {}).items():
        attach_inputs(network, by_name[name], [rule_from_json(rule) for rule in rules])
    _fill(network, state)
    return network


def _has_new_bias(network: nn.Module, layer: Layer, state: Mapping[str, Tensor]) -> bool:
    """Whether a correction gave a bias to a layer that had none, under the name it has by now."""
    if layer.kind is LayerKind.EMBEDDING or read_bias(network, layer) is not None:
        return False
    here = with_bias(network, layer, torch.zeros(layer.rows))
    of_part = re.compile(rf"{re.escape(layer.name)}(\.\d+)?\.bias")
    return any(name in here or of_part.fullmatch(name) for name in state)


def _small_shapes(
    layer: Layer, state: Mapping[str, Tensor], before: Mapping[str, Tensor]
) -> list[torch.Size]:
    """The shapes of the kernels of a factored layer's parts; none where it is whole."""
    names = (f"{layer.name}.{index}.weight".removeprefix(".") for index in itertools.count())
    new = itertools.takewhile(lambda name: name in state and name not in before, names)
    stored = [state[name].shape for name in new]
    return shapes_in_file(layer, stored) if stored else []


def _fill(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put every tensor under its name; what was one tensor under several names is one parameter again."""
    old = network.state_dict()
    if old.keys() != state.keys():
        raise Damaged
    made: dict[int, nn.Parameter] = {}
    for name, tensor in state.items():
        if old[name].shape != tensor.shape or old[name].dtype != tensor.dtype:
            raise Damaged
        owner, _, last = name.rpartition(".")
        module = network.get_submodule(owner)
        if last in dict(module.named_parameters(recurse=False, remove_duplicate=False)):
            parameter = made.setdefault(id(tensor), nn.Parameter(tensor, requires_grad=False))
            setattr(module, last, parameter)
        else:
            setattr(module, last, tensor)
