"""Finding what must shrink together, beside the time that torch-pruning's graph alone takes; and its memory.

The graph only says how channels pass. Ours follows them, tries every group in float64 and looks for blocks,
so it cannot be as fast: the ratio says how many graphs the whole search costs.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.clock import Case, Limit, Side
from benchmarks.networks import Size, bert, resnet50
from benchmarks.peer_graph import peer_graph
from compress_core.network.layers.cut import is_producer
from compress_core.structure.group import Group, GroupKind
from compress_core.structure.groups import find_groups

MEMORY = 4  # times the weights


def cases(size: Size) -> Iterator[Case | Limit]:
    """A ResNet-50 and a BERT-base shape: time of the search, then its memory over that of the weights."""
    for name, made in NETWORKS.items():
        network, items = made(size)
        ours = Side("slimscope", partial(_found, network, items))
        peer = Side("torch-pruning: graph alone", partial(_graph, network, items[:2]))
        yield Case(f"finding groups, {name}", peer, ours, _agree)
        yield Limit("  its memory over the weights", "x", partial(_memory, name, size), MEMORY, rounds=1)


def _found(network: nn.Module, items: Tensor, _: int) -> tuple[Group, ...]:
    return find_groups(network, items)


def _resnet(size: Size) -> tuple[nn.Module, Tensor]:
    subject = resnet50(size)
    return subject.network, subject.split("validation").inputs


NETWORKS: Mapping[str, Callable[[Size], tuple[nn.Module, Tensor]]] = {
    "ResNet-50 shape": _resnet,
    "BERT-base shape": bert,
}


def _graph(network: nn.Module, items: Tensor, _: int) -> tuple[nn.Module, Any]:
    return peer_graph(network, items)


def _agree(traced: tuple[nn.Module, Any], found: tuple[Group, ...]) -> bool:
    """The same layers are coupled, in groups that go channel by channel."""
    network, graph = traced
    channels = [g for g in found if g.locked is None and g.kind not in (GroupKind.BLOCK, GroupKind.HEADS)]
    return bool(channels) and all(_coupled(network, graph, g.name) == set(g.producers) for g in channels)


def _coupled(network: nn.Module, graph: Any, name: str) -> set[str]:
    """The layers whose outputs the library would cut with the first of one layer's."""
    layer = network.get_submodule(name)
    pruner = graph.get_pruner_of_module(layer)
    names = {module: name for name, module in network.named_modules()}
    group = graph.get_pruning_group(layer, pruner.prune_out_channels, [0])
    made = (dep.target.module for dep, _ in group if graph.is_out_channel_pruning_fn(dep.handler))
    return {names[module] for module in made if module in names and is_producer(module)}


def _memory(name: str, size: Size) -> float:
    """Peak memory of a search in a process of its own beyond what it held before, over its weights."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(theirs, name, size))
    process.start()
    theirs.close()
    share: float = ours.recv()
    process.join()
    return share


def _measure(answer: Any, name: str, size: Size) -> None:
    torch.set_num_threads(1)
    network, items = NETWORKS[name](size)
    before = _bytes("VmRSS")
    find_groups(network, items)
    answer.send((_bytes("VmHWM") - before) / sum(values.nbytes for values in network.parameters()))


def _bytes(entry: str) -> int:
    """What Linux says of this process; getrusage would count what the parent held."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{entry}:"))
