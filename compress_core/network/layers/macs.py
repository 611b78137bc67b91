"""How often each weight is multiplied: multiply-accumulates, counted in one forward pass."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from compress_core.network.address_index import AddressIndex
from compress_core.network.forward import Example
from compress_core.network.layers.kinds import (
    CONVOLUTIONS,
    TRANSPOSED,
    Extent,
    Layer,
    LayerKind,
    WeightLocation,
    attention_layers,
    layers_of,
)
from compress_core.network.layers.places import stored_at
from compress_core.network.multiplications import multiplications, span_of


@dataclass(frozen=True)
class _Uses:
    """How often each weight is multiplied, positions of the output, and the sizes of a convolution."""

    times: int
    positions: int
    extent: Extent | None = None


def count_macs(network: nn.Module, layers: tuple[Layer, ...], example: Example) -> tuple[Layer, ...]:
    """The layers with their multiply-accumulates for one item, from one forward pass of it.

    A Linear counts every position it is applied to, a weight that is read by hand every product it is in; an
    Embedding looks up and multiplies nothing.
    """
    counts: defaultdict[WeightLocation, list[_Uses]] = defaultdict(list)
    hooks = []
    for name, module in network.named_modules():
        if any(True for _ in layers_of(name, module)):
            hooks.append(module.register_forward_hook(_counting(name, counts), with_kwargs=True))
    try:
        products = multiplications(network, example).products
    finally:
        for hook in hooks:
            hook.remove()
    spans = [span_of(stored_at(network, layer.places[0])) for layer in layers]
    read = [(own, product) for product in products for own in product.read]
    index = AddressIndex(own for own, _ in read)
    met = [{id(read[at][1]): read[at][1] for at in index.meeting(span)} for span in spans]
    multiplied = [
        sum(product.macs_within(span) for product in there.values())
        for span, there in zip(spans, met, strict=True)
    ]
    return tuple(
        _counted(layer, [uses for p in layer.places for uses in counts[p]], macs)
        for layer, macs in zip(layers, multiplied, strict=True)
    )


def _counted(layer: Layer, uses: list[_Uses], multiplied: int) -> Layer:
    """A layer by how its modules were used; one that is also read by hand has no positions of its own."""
    macs = layer.weights * sum(u.times for u in uses)
    if multiplied > macs:
        return replace(layer, macs=multiplied)
    if not uses:
        return replace(layer, macs=0 if layer.kind is LayerKind.EMBEDDING else None)
    extents = tuple(u.extent for u in uses if u.extent is not None)
    return replace(layer, macs=macs, positions=sum(u.positions for u in uses), extents=extents)


def _counting(name: str, counts: Mapping[WeightLocation, list[_Uses]]) -> Callable[..., None]:
    """A hook that notes how often each weight of a module is used."""

    def count(
        module: nn.Module, inputs: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: object
    ) -> None:
        if isinstance(module, nn.MultiheadAttention):
            given = dict(zip(("query", "key", "value"), inputs, strict=False)) | kwargs
            roles = {"q_proj": "query", "k_proj": "key", "v_proj": "value", "out_proj": "query"}
            for layer in attention_layers(name, module):
                tokens = given[roles[layer.name.rpartition(".")[2]]]
                times = tokens.numel() // max(1, tokens.shape[-1])
                counts[layer.places[0]].append(_Uses(times, times))
        else:
            given_first = inputs[0] if inputs else next(iter(kwargs.values()))
            assert isinstance(output, Tensor)
            counts[WeightLocation(name)].append(_uses(module, given_first, output))

    return count


def _uses(module: nn.Module, given: Tensor, output: Tensor) -> _Uses:
    if isinstance(module, nn.Embedding):
        return _Uses(0, given.numel())
    if isinstance(module, nn.Linear):
        times = output.numel() // max(1, module.out_features)
        return _Uses(times, times)
    assert isinstance(module, CONVOLUTIONS + TRANSPOSED)
    positions = output.numel() // module.out_channels
    axes = len(module.kernel_size)
    given_sizes, made_sizes = tuple(given.shape[-axes:]), tuple(output.shape[-axes:])
    extent = Extent(positions // max(1, math.prod(made_sizes)), given_sizes, made_sizes)
    times = given.numel() // module.in_channels if isinstance(module, TRANSPOSED) else positions
    return _Uses(times, positions, extent)
