"""Follow all channels through the graph of a network at once, every channel at every place one time.

A place is a side of a module, or an operation; each has so many channels and no more. An index beyond
them is a stray: it is dropped, and all that hangs together with it is marked. So a walk ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import nn

from compress_core.network.layers.cut import channel_groups, is_convolution, is_producer
from compress_core.network.layers.side import Side
from compress_core.structure.operation_graph import OperationGraph, mapped, passes_as_it_is
from compress_core.structure.shrink import side_of

_MOST_OF_EACH = 4  # times as many images of an index as the target has channels are no mapping any more
_Indices = NDArray[np.int64]


@dataclass(eq=False)
class _Place:
    """A side of a module or an operation; first: the number of its channel 0 among all channels."""

    node: Any
    handler: Any
    slot: tuple[str, Side] | None
    width: int
    first: int
    reached: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.reached = np.zeros(self.width, dtype=np.bool_)


@dataclass(frozen=True)
class Walked:
    """What hangs together: labels [n] of the n channels reached at slots, which are `at` and `index`.

    strays and undecided: the slots (places in `slots`) that hold a channel of which this is true.
    """

    slots: tuple[tuple[str, Side], ...]
    at: _Indices
    index: _Indices
    labels: _Indices
    edges: tuple[tuple[str, str], ...]
    strays: frozenset[int]
    undecided: frozenset[int]

    def units(self, ranked: Sequence[int]) -> list[list[tuple[int, tuple[int, ...]]]]:
        """What goes together, each as (slot, indices): slots in the order of `ranked`."""
        rank = np.empty(len(ranked), dtype=np.int64)
        rank[np.array(ranked, dtype=np.int64)] = np.arange(len(ranked))
        at = rank[self.at]
        order = np.lexsort((self.index, at, self.labels))
        labels, at, index = self.labels[order], at[order], self.index[order].tolist()
        starts = np.flatnonzero(np.append(True, (labels[1:] != labels[:-1]) | (at[1:] != at[:-1])))
        ends = [*starts[1:].tolist(), len(index)]
        found: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
        runs = zip(labels[starts].tolist(), at[starts].tolist(), starts.tolist(), ends, strict=True)
        for label, here, start, end in runs if index else ():
            found.setdefault(label, []).append((here, tuple(index[start:end])))
        return [[(ranked[at], indices) for at, indices in unit] for unit in sorted(found.values())]


class Walk:
    """One gathering over a graph; `steps` channels at places may be looked at."""

    def __init__(self, network: nn.Module, graph: OperationGraph, steps: int) -> None:
        self.network, self.graph, self.steps = network, graph, steps
        self.names = {node: graph.name(node) for node in graph.nodes}
        self.widths: dict[Any, int] = {}
        self.places: dict[tuple[Any, Side | None], _Place] = {}
        self.channels = 0
        self.waiting: deque[tuple[_Place, _Indices]] = deque()
        self.pairs: list[tuple[_Indices, _Indices]] = []
        self.strays: list[_Indices] = []

    def walked(self) -> Walked:
        """From all that makes channels, as far as they go."""
        sides = [self._width_of_slot(node, Side.OUT) for node in self.graph.nodes if self._makes(node)]
        self.widest = max((side or 0 for side in sides), default=0)
        for node in self.graph.nodes:
            for side in (Side.OUT, Side.IN):
                self.widest = max(self.widest, self._width_of_slot(node, side) or 0)
        for node in self.graph.nodes:
            if self._makes(node):
                place = self._place(node, self.graph.giving(node))
                self._reach(place, np.arange(place.width))
        while self.waiting and self.steps > 0:
            self._step(*self.waiting.popleft())
        self._unite_multiplied()
        return self._gathered()

    def _makes(self, node: Any) -> bool:
        return (
            self.names[node] is not None
            and is_producer(node.module)
            and bool(self._width_of_slot(node, Side.OUT))
        )

    def _width_of_slot(self, node: Any, side: Side) -> int | None:
        name = self.names[node]
        if name is None:
            return None
        is_module = isinstance(node.module, nn.Module)
        return side_of(self.network, name, side if is_module else Side.OWN)

    def _place(self, node: Any, handler: Any) -> _Place:
        name = self.names[node]
        slot = None if name is None else (name, self.graph.side(node, handler))
        key = (node, None if slot is None else slot[1])
        if key not in self.places:
            width = self._width(node) if slot is None else side_of(self.network, *slot) or 0
            self.places[key] = _Place(node, handler, slot, width, self.channels)
            self.channels += width
        return self.places[key]

    def _width(self, node: Any) -> int:
        """How many channels an operation gives at most: as what it reads has, else the most there are."""
        waiting = [node]
        while waiting:
            last = waiting[-1]
            if last in self.widths:
                waiting.pop()
            elif self.names[last] is not None:
                self.widths[last] = self._width_of_slot(last, Side.OUT) or 0
            else:
                open_ones = [n for n in last.inputs if n not in self.widths and n not in waiting]
                waiting += open_ones
                if not open_ones:
                    self.widths[last] = self._from_inputs(last)
        return self.widths[node]

    def _from_inputs(self, node: Any) -> int:
        width = 0
        for source in node.inputs:
            for dependency in source.dependencies:
                if dependency.target is node and source in self.widths:
                    made = mapped_arrays(dependency, np.arange(self.widths[source]), self.widest)
                    width = max(width, 1 + int(made[1].max(initial=-1)) if made else self.widest)
        return min(width or self.widest, self.widest)

    def _reach(self, place: _Place, indices: _Indices) -> None:
        new = indices[~place.reached[indices]]
        if len(new):
            place.reached[new] = True
            self.waiting.append((place, new))

    def _step(self, place: _Place, new: _Indices) -> None:
        """Hand on what is new at a place."""
        self.steps -= len(new)
        if place.node in self.graph.failed:
            self.strays.append(place.first + new)
        for dependency in place.node.dependencies:
            if not dependency.is_triggered_by(place.handler):
                continue
            target = self._place(dependency.target, dependency.handler)
            if (
                passes_as_it_is(dependency)
                and 1 in (place.width, target.width)
                and place.width != target.width
            ):
                continue  # one channel that is spread over all is not one of them
            pairs = mapped_arrays(dependency, new, target.width)
            if pairs is None:
                self.strays.append(place.first + new)
                continue
            source, end = pairs
            there = (end >= 0) & (end < target.width)
            self.strays.append(place.first + source[~there])
            self.pairs.append((place.first + source[there], target.first + end[there]))
            self._reach(target, np.unique(end[there]))

    def _unite_multiplied(self) -> None:
        """A grouped convolution with one input a group: that input and its outputs go together."""
        for (node, side), into in list(self.places.items()):
            out = self.places.get((node, Side.OUT))
            if side is Side.IN and out is not None and is_convolution(node.module):
                parts = channel_groups(node.module)
                if parts == into.width > 1:
                    made = np.arange(out.width)
                    self.pairs.append((out.first + made, into.first + made // (out.width // parts)))
                    out.reached[:] = into.reached[:] = True

    def _gathered(self) -> Walked:
        """Name what touches alike, and mark what strays touch."""
        labels = _labels(self.channels, self.pairs)
        slots = [place for place in self.places.values() if place.slot is not None]
        reached = [np.flatnonzero(place.reached) for place in slots]
        numbers = [place.first + found for place, found in zip(slots, reached, strict=True)]
        left = [place.first + new for place, new in self.waiting]
        return Walked(
            tuple(place.slot for place in slots if place.slot is not None),
            _joined([np.full(len(found), at) for at, found in enumerate(reached)]),
            _joined(reached),
            labels[_joined(numbers)],
            tuple(self._edges()),
            _touched(labels, numbers, self.strays),
            _touched(labels, numbers, left),
        )

    def _edges(self) -> Iterator[tuple[str, str]]:
        """From every module to the next ones that hold weights, through what holds none."""
        for node, start in self.names.items():
            waiting, passed = deque(node.outputs if start is not None else ()), set()
            while start is not None and waiting:
                target = waiting.popleft()
                if target in passed:
                    continue
                passed.add(target)
                end = self.names[target]
                if end is None:
                    waiting.extend(target.outputs)
                else:
                    yield start, end


def mapped_arrays(dependency: Any, new: _Indices, width: int) -> tuple[_Indices, _Indices] | None:
    """Where indices come from and where they get to; None where that cannot be told."""
    if passes_as_it_is(dependency) or not len(new):
        return new, new
    first = mapped(dependency, new[:1].tolist())
    if first is None or len(first) * len(new) > _MOST_OF_EACH * max(width, len(new)):
        return None
    pairs = mapped(dependency, new.tolist())
    if pairs is None or any(source is None for source, _ in pairs):
        return None
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _labels(channels: int, pairs: list[tuple[_Indices, _Indices]]) -> _Indices:
    one, other = (_joined([pair[side] for pair in pairs]) for side in (0, 1))
    graph = coo_array((np.ones(len(one), dtype=np.bool_), (one, other)), shape=(channels, channels))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _touched(labels: _Indices, slots: list[_Indices], marked: list[_Indices]) -> frozenset[int]:
    """The slots that hold a channel which hangs together with a marked one."""
    touched = np.unique(labels[_joined(marked)])
    return frozenset(at for at, numbers in enumerate(slots) if np.isin(labels[numbers], touched).any())


def _joined(parts: list[_Indices]) -> _Indices:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
