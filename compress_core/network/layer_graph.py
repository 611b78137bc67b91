"""How the layers of a network hang together: their order, whose outputs each reads, what passes by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor, nn

from compress_core.network.calibrate import forward_order
from compress_core.network.flow import NOBODY, flow_of
from compress_core.network.layers.kinds import Layer
from compress_core.network.shared_copy import shared_copy


@dataclass(frozen=True)
class LayerGraph:
    """What one pass showed of the layers, by name.

    order: as the pass first calls them; depth: how many layers lie before each, at most; reads: the layers
    whose outputs go into each; passes: a layer whose input, added to or joined with those, goes in as well,
    as where a residual connection leads around a block. Layers of one module count as side by side.
    """

    order: tuple[str, ...]
    depth: Mapping[str, int]
    reads: Mapping[str, tuple[str, ...]]
    passes: Mapping[str, str]


def layer_graph(network: nn.Module, layers: Sequence[Layer], example: Tensor) -> LayerGraph:
    """Watch one pass of an example [1, ...]; the network stays as it is.

    A layer whose input could not be followed stands behind the one before it and reads nobody.
    """
    order = forward_order(shared_copy(network), layers, example)
    sources = _sources(network, layers, example, order)
    depth = _depths(order, sources)
    reads, passes = {}, {}
    for index, name in enumerate(order):
        around = _passing(name, order[:index], sources, depth)
        if around is not None:
            passes[name] = around
        direct = sources[name] - (sources[around] if around is not None else NOBODY)
        reads[name] = tuple(other for other in order if other in direct)
    return LayerGraph(order, MappingProxyType(depth), MappingProxyType(reads), MappingProxyType(passes))


def _sources(
    network: nn.Module, layers: Sequence[Layer], example: Tensor, order: Sequence[str]
) -> dict[str, frozenset[str]]:
    """Of which earlier layers' outputs the input of each was made, by the module that runs it."""
    runs = _running_modules(layers, flow_of(shared_copy(network), example, ()).calls)
    flow = flow_of(shared_copy(network), example, {module for found in runs.values() for module in found})
    made_by: dict[str, list[str]] = {}
    for name, modules in runs.items():
        for module in modules:
            made_by.setdefault(module, []).append(name)
    sources = {}
    for index, name in enumerate(order):
        given = NOBODY.union(*(flow.sources.get(module, NOBODY) for module in runs[name][:1]))
        found = {other for module in given for other in made_by.get(module, ())}
        beside = {other for module in runs[name] for other in made_by[module]}
        sources[name] = frozenset((found - beside) & set(order[:index]))
    return sources


def _running_modules(layers: Sequence[Layer], calls: Mapping[str, int]) -> dict[str, list[str]]:
    """The modules that run each layer, one for each place of its weight: the innermost that was called."""
    found: dict[str, list[str]] = {}
    for layer in layers:
        names = [place.module for place in layer.places]
        found[layer.name] = [_called(name, calls) for name in names]
    return found


def _called(module: str, calls: Mapping[str, int]) -> str:
    while module and module not in calls:
        module = module.rpartition(".")[0]
    return module


def _depths(order: Iterable[str], sources: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """One more than the deepest source; without any, one more than the layer before."""
    depth: dict[str, int] = {}
    before = -1
    for name in order:
        before = 1 + max((depth[other] for other in sources[name]), default=before)
        depth[name] = before
    return depth


def _passing(
    name: str, earlier: Sequence[str], sources: Mapping[str, frozenset[str]], depth: Mapping[str, int]
) -> str | None:
    """The nearest earlier layer whose whole input goes into this one too, with something else."""
    for other in reversed(earlier):
        if sources[other] and sources[other] < sources[name] and depth[other] < depth[name]:
            return other
    return None
