"""Reading a layer's weight and putting another in its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.network.attention import PlainAttention
from compress_core.network.layers.kinds import PROJECTIONS, Layer, WeightLocation, kernel_view


def stored_at(network: nn.Module, place: WeightLocation) -> Tensor:
    """The parameter at a place, or its rows there [rows, ...], as the module holds it; a view."""
    weight: Tensor = getattr(network.get_submodule(place.module), place.parameter)
    return weight if place.rows is None else weight[slice(*place.rows)]


def from_kernel(kernel: Tensor, groups: int, transposed: bool) -> Tensor:
    """A kernel [out, in / groups, *k] -> the layout in which its module stores it, contiguous."""
    return kernel_view(kernel, groups, transposed).contiguous()


def read_kernel(network: nn.Module, layer: Layer) -> Tensor:
    """The layer's weight [out, in / groups, *k]; a view where the layout allows."""
    return kernel_view(stored_at(network, layer.places[0]).detach(), layer.groups, layer.transposed)


def read_matrix(network: nn.Module, layer: Layer) -> Tensor:
    """The layer's weight [out, in / groups * k], contiguous."""
    return read_kernel(network, layer).flatten(1).contiguous()


def place_in(network: nn.Module, layer: Layer) -> WeightLocation:
    """Where a layer's weight lies in this network: projections move when a neighbor was factored."""
    place = layer.places[0]
    if isinstance(network.get_submodule(place.module), PlainAttention):
        return WeightLocation(".".join(filter(None, (place.module, projection_at(place)))))
    return place


def matrix_within(parameter: Tensor, layer: Layer, place: WeightLocation) -> Tensor:
    """A layer's part of a tensor that is shaped as the parameter of its place, such as a gradient.

    -> [out, in / groups * k].
    """
    part = parameter if place.rows is None else parameter[slice(*place.rows)]
    return kernel_view(part, layer.groups, layer.transposed).flatten(1)


def write_matrix(skeleton: nn.Module, layer: Layer, matrix: Tensor) -> None:
    """Put new values [out, in / groups * k] into a skeleton, at every place that shares the weight."""
    stored = from_kernel(matrix.view(layer.kernel_shape), layer.groups, layer.transposed)
    whole = frozen(stored)
    for place in layer.places:
        module = skeleton.get_submodule(place.module)
        if isinstance(module, PlainAttention):  # a neighbor was factored: projections are layers now
            module.get_submodule(projection_at(place)).weight = whole
        elif place.rows is None:
            setattr(module, place.parameter, whole)
        else:
            full = getattr(module, place.parameter).detach().clone()
            full[slice(*place.rows)] = stored
            setattr(module, place.parameter, frozen(full))


def placed(network: nn.Module, weights: Iterable[tuple[Layer, Tensor]]) -> dict[str, Tensor]:
    """The parameters of a network that hold these weights [out, in / groups * k], by name.

    As functions of the weights: gradients pass. Rows of a parameter that no weight covers are the network's.
    """
    whole: dict[str, Tensor] = {}
    rows: defaultdict[str, list[tuple[int, int, Tensor]]] = defaultdict(list)
    for layer, matrix in weights:
        stored = from_kernel(matrix.view(layer.kernel_shape), layer.groups, layer.transposed)
        place = place_in(network, layer)
        name = ".".join(filter(None, (place.module, place.parameter)))
        if place.rows is None:
            whole[name] = stored
        else:
            rows[name].append((*place.rows, stored))
    return whole | {name: _assembled(network.get_parameter(name), parts) for name, parts in rows.items()}


def _assembled(parameter: Tensor, parts: Iterable[tuple[int, int, Tensor]]) -> Tensor:
    """A parameter with some of its rows replaced; parts: first row, row after the last, new values."""
    pieces, at = [], 0
    for start, end, values in sorted(parts, key=lambda part: part[0]):
        pieces += [parameter.detach()[at:start], values]
        at = end
    return torch.cat([*pieces, parameter.detach()[at:]])


def projection_at(place: WeightLocation) -> str:
    if place.rows is None:
        return place.parameter.removesuffix("_weight")
    start, end = place.rows
    return PROJECTIONS[start // (end - start)]


def frozen(values: Tensor) -> nn.Parameter:
    """A parameter of any shape that asks for no gradient."""
    return nn.Parameter(values.detach(), requires_grad=False)


def replace_module(skeleton: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in the place of another, under every name that it has.

    The old one loses its parameters, so that whoever still holds on to it fails instead of computing
    with weights that were replaced.
    """
    for owner in list(skeleton.modules()):
        for name in [n for n, child in owner._modules.items() if child is old]:  # noqa: SLF001 - every name
            owner.register_module(name, new)
    for name, _ in list(old.named_parameters(recurse=False, remove_duplicate=False)):
        delattr(old, name)


def write_state(skeleton: nn.Module, name: str, values: Tensor) -> None:
    """Put a parameter or buffer of any shape into a skeleton, a bias that was not there before included."""
    owner, _, last = name.rpartition(".")
    module = skeleton.get_submodule(owner)
    if last in module._buffers:  # noqa: SLF001 - the only list of a module's own buffers that names None too
        setattr(module, last, values)
    else:
        setattr(module, last, frozen(values))


def write_states(skeleton: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Put parameters and buffers of any shapes into a skeleton; a parameter under every name that it has."""
    tied = _names_of_same(skeleton)
    for name, tensor in values.items():
        for other in tied.get(name, (name,)):
            write_state(skeleton, other, tensor)


def _names_of_same(network: nn.Module) -> dict[str, tuple[str, ...]]:
    """The names of each parameter that has several, under each of them."""
    names: defaultdict[int, list[str]] = defaultdict(list)
    for name, parameter in network.named_parameters(remove_duplicate=False):
        names[id(parameter)].append(name)
    return {name: tuple(found) for found in names.values() if len(found) > 1 for name in found}


def attach_inputs(skeleton: nn.Module, layer: Layer, rules: Sequence[Callable[[Tensor], Tensor]]) -> None:
    """Let a layer's input pass through rules first; a projection of attention becomes a layer for it."""
    module = module_of(skeleton, layer)
    for rule in rules:
        module.register_forward_pre_hook(_before(rule), with_kwargs=True)


def _before(rule: Callable[[Tensor], Tensor]) -> Callable[..., tuple[Any, Any]]:
    def apply(_module: nn.Module, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> tuple[Any, Any]:
        if given:
            return (rule(given[0]), *given[1:]), named
        first = next(iter(named))
        return given, named | {first: rule(named[first])}

    return apply


def module_of(skeleton: nn.Module, layer: Layer) -> nn.Module:
    """The module that computes a layer alone; a projection of attention becomes one in this skeleton."""
    owner, _, last = layer.name.rpartition(".")
    above = skeleton.get_submodule(owner)
    if isinstance(above, nn.MultiheadAttention):
        plain = PlainAttention.taking_over(above, owner)
        replace_module(skeleton, above, plain)
        above = plain
    return above.get_submodule(last)


def bias_place(network: nn.Module, layer: Layer) -> WeightLocation:
    """Where a layer's bias lies or would lie; projections of attention have theirs in one vector."""
    owner, _, last = layer.name.rpartition(".")
    if last in PROJECTIONS and isinstance(network.get_submodule(owner), nn.MultiheadAttention):
        start = PROJECTIONS.index(last) * layer.rows
        return WeightLocation(owner, "in_proj_bias", (start, start + layer.rows))
    return WeightLocation(layer.module, "bias")


def read_bias(network: nn.Module, layer: Layer) -> Tensor | None:
    """The bias of a layer [out], None where it has none."""
    place = bias_place(network, layer)
    bias: Tensor | None = getattr(network.get_submodule(place.module), place.parameter, None)
    if bias is None:
        return None
    return bias.detach() if place.rows is None else bias.detach()[slice(*place.rows)]


def write_bias(skeleton: nn.Module, layer: Layer, bias: Tensor) -> None:
    """Put a bias [out] into a skeleton, one that was not there before included."""
    for name, whole in with_bias(skeleton, layer, bias).items():
        write_state(skeleton, name, whole)


def with_bias(network: nn.Module, layer: Layer, bias: Tensor) -> dict[str, Tensor]:
    """The state, by name, that gives a layer another bias [out]; the network stays as it is."""
    place = bias_place(network, layer)
    name = ".".join(filter(None, (place.module, place.parameter)))
    if place.rows is None:
        return {name: bias}
    before: Tensor | None = getattr(network.get_submodule(place.module), place.parameter)
    whole = bias.new_zeros(len(PROJECTIONS) * layer.rows) if before is None else before.detach().clone()
    whole[slice(*place.rows)] = bias
    return {name: whole}
