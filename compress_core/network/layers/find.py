"""The layers of a network, and what is left alone with the reason."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn
from torch.nn.utils import parametrize

from compress_core.foundation.texts import N_, Phrase
from compress_core.network.layers.kinds import (
    NORMS,
    RECURRENT,
    Layer,
    Untouched,
    WeightLocation,
    is_attention,
    is_computed,
    layers_of,
)
from compress_core.network.layers.places import stored_at

_NO_WEIGHT = N_("it has no inputs or no outputs, so that there is no weight to compress")


def find_layers(network: nn.Module) -> tuple[tuple[Layer, ...], tuple[Untouched, ...]]:
    """The layers that can be compressed, in module order, and those left alone with the reason.

    A layer of no inputs or no outputs is none: it holds no weight.
    """
    found: dict[object, Layer] = {}
    for name, module in network.named_modules():
        if _inside_attention(network, name):
            continue
        for layer in layers_of(name, module):
            if not layer.weights or not stored_at(network, layer.places[0]).is_floating_point():
                continue
            key = _memory_of(network, layer), layer.kernel_shape, layer.groups, layer.transposed
            first = found.get(key, layer)
            shared = () if first is layer else first.places
            found[key] = replace(first, places=shared + layer.places)
    clash = _in_two_forms(network, tuple(found.values()))
    named = _names_of_parameters(network)
    layers = tuple(_with_bare_names(network, layer, named) for layer in found.values() if layer not in clash)
    return layers, tuple(_left_alone(network, layers, clash))


def _memory_of(network: nn.Module, layer: Layer) -> tuple[int, torch.Size, tuple[int, ...]]:
    weight = stored_at(network, layer.places[0])
    return weight.data_ptr(), weight.shape, weight.stride()


def _in_two_forms(network: nn.Module, layers: tuple[Layer, ...]) -> Mapping[Layer, Layer]:
    """Layers that lie in one another's memory but not in the same form, such as a transposed tie."""
    spans = []
    for layer in layers:
        weight = stored_at(network, layer.places[0])
        start = weight.data_ptr()
        length = 1 + sum((n - 1) * step for n, step in zip(weight.shape, weight.stride(), strict=True))
        spans.append((start, start + length * weight.element_size(), layer))
    spans.sort(key=lambda span: span[:2])
    clash: dict[Layer, Layer] = {}
    for (_, end, one), (start, _, other) in itertools.pairwise(spans):
        if start < end:
            clash[one], clash[other] = other, one
    return clash


def _names_of_parameters(network: nn.Module) -> Mapping[int, Sequence[WeightLocation]]:
    """Where each parameter is registered, by its `id`."""
    named: defaultdict[int, list[WeightLocation]] = defaultdict(list)
    for name, module in network.named_modules():
        for parameter, tensor in module.named_parameters(recurse=False, remove_duplicate=False):
            named[id(tensor)].append(WeightLocation(name, parameter))
    return named


def _with_bare_names(
    network: nn.Module, layer: Layer, named: Mapping[int, Sequence[WeightLocation]]
) -> Layer:
    """A weight that is also registered as a bare parameter elsewhere lies there too."""
    first = layer.places[0]
    if first.rows is not None:
        return layer
    shared = getattr(network.get_submodule(first.module), first.parameter)
    everywhere = named.get(id(shared), ())
    return replace(layer, places=layer.places + tuple(p for p in everywhere if p not in layer.places))


def _left_alone(
    network: nn.Module, layers: tuple[Layer, ...], clash: Mapping[Layer, Layer]
) -> Iterator[Untouched]:
    """Every module with parameters that no layer covers, and why."""
    for layer, other in clash.items():
        reason = Phrase("its weight shares memory with {other} in another form", other=other.name)
        yield Untouched(layer.name, layer.label, layer.weights, reason)
    covered = {(place.module, place.parameter) for layer in layers for place in layer.places}
    for name, module in network.named_modules():
        inside = ".parametrizations." in f".{name}." or _inside_attention(network, name)
        known = [layer for layer in layers_of(name, module) if not inside]
        for layer in known:
            kind = stored_at(network, layer.places[0]).dtype
            if not layer.weights:
                yield Untouched(layer.name, layer.label, 0, _NO_WEIGHT)
            elif not kind.is_floating_point:
                reason = Phrase(
                    "its weight is of type {kind}, and only real numbers are compressed", kind=_word(kind)
                )
                yield Untouched(layer.name, layer.label, layer.weights, reason)
        if inside or known:
            continue
        parameters = module.named_parameters(recurse=parametrize.is_parametrized(module))
        own = sum(tensor.numel() for parameter, tensor in parameters if (name, parameter) not in covered)
        if own:
            yield Untouched(name, type(module).__name__, own, _reason_to_leave(module))


def _word(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")


def _inside_attention(network: nn.Module, name: str) -> bool:
    stem, _, last = name.rpartition(".")
    return bool(name) and last == "out_proj" and is_attention(network.get_submodule(stem))


def _reason_to_leave(module: nn.Module) -> str:
    if isinstance(module, RECURRENT):
        return N_("recurrent: one weight serves every time step through a fused kernel")
    if isinstance(module, NORMS):
        return N_("normalization: a few parameters for each channel, nothing to gain")
    if parametrize.is_parametrized(module) or is_computed(module, "weight"):
        return N_("its weight is computed from other parameters, an edit would be lost")
    if isinstance(module, nn.Embedding):
        return N_("it rescales its rows while it looks them up (max_norm)")
    if isinstance(module, nn.Bilinear | nn.EmbeddingBag):
        return Phrase("{kind} has no form that we can store smaller yet", kind=type(module).__name__)
    return N_("parameters of its own that no known layer type describes")
