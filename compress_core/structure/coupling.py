"""Which channels of a network hang together: traced by torch-pruning, gathered by us.

The library notes how channels pass from module to module. We follow its notes for all channels at
once and unite whatever touches, so what is coupled is found whichever layer one starts at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.network.layers.cut import is_opaque
from compress_core.network.layers.side import Side
from compress_core.structure.channel_walk import Walk, Walked
from compress_core.structure.operation_graph import operation_graph

# torch-pruning keeps one pruner for each kind of layer in the whole process, and notes widths in it.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, order=True)
class Slot:
    """One side of a module: order is its place in the network."""

    order: int
    module: str
    side: Side

    def __hash__(self) -> int:
        return self.order  # asked for hundreds of thousands of times, as the channels of all layers are


CoupledUnit = Mapping[Slot, tuple[int, ...]]


@dataclass(frozen=True)
class Coupling:
    """units: channels that must go together, each as the indices it has at every slot.

    edges: which module hands channels to which; strays: slots whose channels were led to an index that is
    not there, because something on the way orders or counts them in another way; undecided: slots that
    the walk had not followed to the end when it had taken all the steps it may take.
    """

    units: tuple[CoupledUnit, ...]
    edges: tuple[tuple[str, str], ...]
    strays: frozenset[Slot]
    undecided: frozenset[Slot] = frozenset()


def trace(network: nn.Module, outputs: Callable[[nn.Module], Iterable[Tensor]], steps: int) -> Coupling:
    """Follow every channel of a network that is ours alone; outputs runs it and gives its tensors.

    steps: how many channels at how many places may be looked at.
    """
    with _ONE_AT_A_TIME, torch.inference_mode(mode=False), torch.enable_grad():
        for parameter in network.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        read = _stop_at_opaque(network)
        graph = operation_graph(
            network, lambda model: [t for t in (*outputs(model), *read) if t.grad_fn is not None]
        )
        return _named(network, Walk(network, graph, steps).walked())


def _named(network: nn.Module, walked: Walked) -> Coupling:
    """What was walked, with the places named by module and side."""
    names = [name for name, _ in network.named_modules()] + [name for name, _ in network.named_parameters()]
    order = {name: index for index, name in enumerate(names)}
    slots = [Slot(order[name], name, side) for name, side in walked.slots]
    ranked = sorted(range(len(slots)), key=slots.__getitem__)
    units = walked.units(ranked)
    return Coupling(
        tuple({slots[at]: indices for at, indices in unit} for unit in units),
        walked.edges,
        frozenset(slots[at] for at in walked.strays),
        frozenset(slots[at] for at in walked.undecided),
    )


def _stop_at_opaque(network: nn.Module) -> list[Tensor]:
    """End the trace at what the library gets wrong, and begin it anew behind it.

    The list fills up with what such modules read.
    """
    read: list[Tensor] = []

    def stop(_: nn.Module, inputs: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        read.extend(t for t in (*inputs, *kwargs.values()) if isinstance(t, Tensor))
        return _cut_off(output)

    for module in network.modules():
        if is_opaque(module):
            module.register_forward_hook(stop, with_kwargs=True)
    return read


def _cut_off(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output.detach().requires_grad_(output.is_floating_point())
    return tuple(_cut_off(part) for part in output) if isinstance(output, tuple) else output
