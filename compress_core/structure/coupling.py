"""Which channels of a network hang together: traced by torch-pruning, gathered by us.

The library notes how channels pass from module to module. We follow its notes for all channels at
once and unite whatever touches, so what is coupled is found whichever layer one starts at.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch_pruning
from torch import Tensor, nn
from torch_pruning._helpers import _HybridIndex

from compress_core.network.layers.cut import channel_groups, is_convolution, is_opaque, is_producer
from compress_core.network.layers.side import Side
from compress_core.structure.shrink import side_of

# torch-pruning keeps one pruner for each kind of layer in the whole process, and notes widths in it.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, order=True)
class Slot:
    """One side of a module: order is its place in the network."""

    order: int
    module: str
    side: Side


CoupledUnit = Mapping[Slot, tuple[int, ...]]


@dataclass(frozen=True)
class Coupling:
    """units: channels that must go together, each as the indices it has at every slot.

    edges: which module hands channels to which; strays: slots that were given an index which they do not
    have, because something on the way changes the number of channels.
    """

    units: tuple[CoupledUnit, ...]
    edges: tuple[tuple[str, str], ...]
    strays: frozenset[Slot]


def trace(network: nn.Module, outputs: Callable[[nn.Module], Iterable[Tensor]]) -> Coupling:
    """Follow every channel of a network that is ours alone; outputs runs it and gives its tensors."""
    with _ONE_AT_A_TIME, torch.inference_mode(mode=False), torch.enable_grad():
        for parameter in network.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        read = _stop_at_opaque(network)
        graph = torch_pruning.DependencyGraph()
        graph.build_dependency(
            network,
            None,
            forward_fn=lambda model, _: [t for t in (*outputs(model), *read) if t.grad_fn is not None],
            unwrapped_parameters=[],
            customized_pruners={},
            ignored_layers=[],
            ignored_params=[],
            verbose=False,
        )
        return _Walk(network, graph).coupling()


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


@dataclass
class _Walk:
    """One gathering: slots by name, a union of channels, what strays."""

    network: nn.Module
    graph: torch_pruning.DependencyGraph
    order: dict[str, int] = field(default_factory=dict)
    above: dict[tuple[Slot, int], tuple[Slot, int]] = field(default_factory=dict)
    strays: set[Slot] = field(default_factory=set)
    widths: dict[Slot, int] = field(default_factory=dict)

    def coupling(self) -> Coupling:
        """All producers, one after the other; those already reached with all channels are skipped."""
        names = [name for name, _ in self.network.named_modules()]
        names += [name for name, _ in self.network.named_parameters()]
        self.order = {name: index for index, name in enumerate(names)}
        roots = ((self._slot(n, self._pruner(n).prune_out_channels), n) for n in self._producers())
        for slot, node in sorted(((s, n) for s, n in roots if s), key=lambda root: root[0]):
            if any((slot, index) not in self.above for index in range(self.widths[slot])):
                self._follow(slot, node)
        self._unite_multiplied()
        return Coupling(self._units(), tuple(self._edges()), frozenset(self.strays))

    def _producers(self) -> Iterator[Any]:
        for module, node in self.graph.module2node.items():
            known = self.graph._module2name.get(module)  # noqa: SLF001 - the library has no reader for it
            if known is not None and is_producer(module) and side_of(self.network, known, Side.OUT):
                yield node

    def _pruner(self, node: Any) -> Any:
        return self.graph.get_pruner_of_module(node.module)

    def _slot(self, node: Any, handler: Any) -> Slot | None:
        """Where channels lie, as a name and a side; None for what has no weight."""
        name = self.graph._module2name.get(node.module)  # noqa: SLF001
        side = Side.OUT if handler == self._pruner(node).prune_out_channels else Side.IN
        if name is not None and not is_module(node.module):
            name, side = self.graph._param_to_name[node.module], Side.OWN  # noqa: SLF001
        if name is None:
            return None
        slot = Slot(self.order[name], name, side)
        if slot not in self.widths:
            self.widths[slot] = side_of(self.network, name, side) or 0
        return slot

    def _follow(self, root: Slot, node: Any) -> None:
        """Carry all channels of a producer along every dependency until nothing new is reached."""
        every = [_HybridIndex(idx=i, root_idx=i) for i in range(self.widths[root])]
        seen: defaultdict[tuple[int, object], set[tuple[int, int]]] = defaultdict(set)
        waiting = deque([(node, self._pruner(node).prune_out_channels, every)])
        while waiting:
            node, handler, indices = waiting.popleft()
            reached = seen[id(node), handler]
            new = [i for i in indices if (i.idx, i.root_idx) not in reached]
            if not new:
                continue
            reached.update((i.idx, i.root_idx) for i in new)
            slot = self._slot(node, handler)
            if slot is not None:
                self._unite(root, slot, new)
            for dependency in node.dependencies:
                if dependency.is_triggered_by(handler):
                    waiting.append((dependency.target, dependency.handler, _mapped(dependency, new)))

    def _unite(self, root: Slot, slot: Slot, indices: Iterable[_HybridIndex]) -> None:
        width = self.widths[slot]
        for index in indices:
            if index.root_idx is None or not 0 <= index.idx < width:
                self.strays |= {root, slot}
            else:
                self._join((root, index.root_idx), (slot, index.idx))

    def _join(self, one: tuple[Slot, int], other: tuple[Slot, int]) -> None:
        one, other = self._top(one), self._top(other)
        if one != other:
            self.above[max(one, other)] = min(one, other)

    def _top(self, channel: tuple[Slot, int]) -> tuple[Slot, int]:
        path = []
        while self.above.setdefault(channel, channel) != channel:
            path.append(channel)
            channel = self.above[channel]
        for passed in path:
            self.above[passed] = channel
        return channel

    def _unite_multiplied(self) -> None:
        """A grouped convolution with one input a group: that input and its outputs go together."""
        for slot in [s for s in self.widths if s.side is Side.IN]:
            module = self.network.get_submodule(slot.module)
            parts = channel_groups(module)
            out = Slot(slot.order, slot.module, Side.OUT)
            if is_convolution(module) and parts == self.widths[slot] > 1 and out in self.widths:
                each = self.widths[out] // parts
                for index in range(self.widths[out]):
                    self._join((out, index), (slot, index // each))

    def _units(self) -> tuple[CoupledUnit, ...]:
        gathered: defaultdict[tuple[Slot, int], dict[Slot, list[int]]] = defaultdict(dict)
        for slot, index in sorted(self.above):
            gathered[self._top((slot, index))].setdefault(slot, []).append(index)
        return tuple(
            {slot: tuple(indices) for slot, indices in gathered[top].items()} for top in sorted(gathered)
        )

    def _edges(self) -> Iterator[tuple[str, str]]:
        """From every module to the next ones that hold weights, through what holds none."""
        named = {id(n): self._slot(n, None) for n in self.graph.module2node.values()}
        for node in self.graph.module2node.values():
            start, waiting, passed = named[id(node)], deque(node.outputs), set()
            while start is not None and waiting:
                target = waiting.popleft()
                if id(target) in passed:
                    continue
                passed.add(id(target))
                end = named.get(id(target))
                if end is None:
                    waiting.extend(target.outputs)
                else:
                    yield start.module, end.module


def is_module(value: object) -> bool:
    return isinstance(value, nn.Module)


def _mapped(dependency: Any, indices: list[_HybridIndex]) -> list[_HybridIndex]:
    for mapping in dependency.index_mapping:
        indices = indices if mapping is None else mapping(indices)
    return indices
