"""What the layers of a network see while calibration items run through it: inputs and order.

Nothing here keeps more than one batch, and a batch is as small as the widest input asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.network.forward import run_network, running_on
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.unfold import columns, readers
from compress_core.network.living_memory import rows_at_once
from compress_core.network.not_finite import is_finite, items_not_finite, reads_not_finite
from compress_core.network.quick_pooling import pooled_quickly

NUMBERS_AT_ONCE = 2**22  # of a layer's input, unfolded: 16 MiB of float32


def forward_order(network: nn.Module, layers: Sequence[Layer], example: Tensor) -> tuple[str, ...]:
    """The names of layers in the order in which one pass of an example first calls them.

    example [1, ...].

    A weight that is read by hand stands where the module around it is called. The caller owns the network.
    """
    times: dict[nn.Module, int] = {}

    def note(module: nn.Module, _inputs: object) -> None:
        times.setdefault(module, len(times))

    hooks = [module.register_forward_pre_hook(note) for module in network.modules()]
    try:
        with torch.no_grad():
            run_network(network, example)
    finally:
        for hook in hooks:
            hook.remove()
    calls = {name: times[m] for name, m in network.named_modules(remove_duplicate=False) if m in times}
    return tuple(layer.name for layer in sorted(layers, key=lambda layer: _first_call(layer, calls)))


def _first_call(layer: Layer, calls: Mapping[str, int]) -> int:
    """When a layer's module was first called, or else the innermost one around it that was."""
    names = [place.module for place in layer.places]
    while not any(name in calls for name in names) and any(names):
        names = [name.rpartition(".")[0] for name in names]
    return min((calls[name] for name in names if name in calls), default=0)


@contextmanager
def listening(modules: Iterable[nn.Module], hear: Callable[[nn.Module, Tensor], None]) -> Iterator[None]:
    """Tell what each of these modules is given, at every call; what `hear` keeps must be a copy."""

    def before(module: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        hear(module, inputs[0] if inputs else next(iter(named.values())))

    hooks = [m.register_forward_pre_hook(before, with_kwargs=True) for m in dict.fromkeys(modules)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def inputs_of(network: nn.Module, layer: Layer, items: Tensor) -> Iterator[Tensor]:
    """What a layer reads, batch by batch, as columns [groups, positions, in / groups * k].

    The layer's output is columns @ matrix.T plus its bias. network: a skeleton that the caller owns.
    Raises Refused for an embedding, where nothing is seen to reach the layer, and where that is NaN or
    infinite on some items.
    """
    modules = readers(network, layer)
    seen = False
    rows = rows_at_once(network, items, most_at_once(layer))
    for batch in torch.split(items, rows):
        heard = _Heard()
        with torch.no_grad(), pooled_quickly(), running_on(batch), listening(modules, heard):
            run_network(network, batch)
        if not heard.is_finite:
            counts = items_not_finite(network, modules, items)
            raise reads_not_finite(layer.name, max(counts.values()), len(items))
        seen = seen or bool(heard.columns)
        yield from heard.columns
    if not seen:
        raise Refused(
            "{layer} did not run on the calibration items, so there is nothing to measure on it: "
            "leave it out, or use a technique that looks at weights alone.",
            layer=layer.name,
        )


@dataclass(frozen=True, eq=False)
class LayerReads:
    """What a layer reads on items [N, ...] in a network of its own; whoever goes through it runs them.

    Batch by batch, as `inputs_of` gives it.
    """

    network: nn.Module
    layer: Layer
    items: Tensor

    def __iter__(self) -> Iterator[Tensor]:
        return inputs_of(self.network, self.layer, self.items)


def most_at_once(layer: Layer) -> int:
    """How many items go through together at most: as many as the layer's input, unfolded, may be numbers."""
    each = max(1, layer.positions or 1) * layer.groups * max(1, layer.columns)
    return max(1, NUMBERS_AT_ONCE // each)


class _Heard:
    """What modules read in one pass, as columns of their own memory, and whether all of it is finite."""

    def __init__(self) -> None:
        self.columns: list[Tensor] = []
        self.is_finite = True

    def __call__(self, module: nn.Module, given: Tensor) -> None:
        self.is_finite = self.is_finite and is_finite(given)
        if self.is_finite:
            found = columns(module, given)
            is_view = found.untyped_storage().data_ptr() == given.untyped_storage().data_ptr()
            self.columns.append(found.clone() if is_view else found)
