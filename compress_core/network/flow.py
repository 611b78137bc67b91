"""Who reads whose output in one forward pass, seen by watching it: no graph capture, no assumptions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from compress_core.network.forward import Example, run_network, tensors_in

NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Flow:
    """What one pass showed of some modules, by name.

    calls: how often each module ran; behind: a module and the one whose very output it was given;
    readers: the modules inside which an output was read; sources: of which outputs a module's input was made.
    """

    calls: Mapping[str, int]
    behind: Mapping[str, str]
    readers: Mapping[str, frozenset[str]]
    sources: Mapping[str, frozenset[str]]

    def reads_alone(self, reader: str, made: str) -> bool:
        """Whether a module is given another one's output, both run once, and nobody else reads it."""
        once = self.calls.get(reader) == 1 == self.calls.get(made)
        alone = self.readers.get(made) == frozenset({reader})
        return once and alone and self.behind.get(reader) == made


class _Notes(TorchFunctionMode):
    """Follows the outputs of some modules through the functions that are applied to them."""

    def __init__(self, modules: Collection[str]) -> None:
        super().__init__()
        self._modules = modules
        self._open: list[str] = []
        self._maker: dict[int, str] = {}
        self._sources: dict[int, frozenset[str]] = {}
        self._alive: list[Tensor] = []  # or an address could come back as another tensor's
        self.calls: Counter[str] = Counter()
        self.behind: dict[str, str] = {}
        self.readers: defaultdict[str, set[str]] = defaultdict(set)
        self.sources: dict[str, frozenset[str]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given, made = list(tensors_in((args, kwargs))), list(tensors_in(result))
        if made:  # a shape or a type says nothing of the values
            for tensor in given:
                if id(tensor) in self._maker:
                    self.readers[self._maker[id(tensor)]].add(self._open[-1] if self._open else "")
            sources = self._sources_of(given)
            for tensor in made:
                self._sources[id(tensor)] = sources | self._sources.get(id(tensor), NOBODY)
                self._alive.append(tensor)
        return result

    def _sources_of(self, tensors: Collection[Tensor]) -> frozenset[str]:
        return NOBODY.union(*(self._sources.get(id(t), NOBODY) for t in tensors))

    def started(self, name: str, inputs: object) -> None:
        self.calls[name] += 1
        given = list(tensors_in(inputs))
        if len(given) == 1 and id(given[0]) in self._maker:
            self.behind[name] = self._maker[id(given[0])]
        self.sources[name] = self._sources_of(given)
        self._open.append(name)

    def ended(self, output: object) -> None:
        name = self._open.pop()
        if name not in self._modules:
            return
        if isinstance(output, Tensor):
            self._maker[id(output)] = name
        for tensor in tensors_in(output):  # several, where a layer gives a tuple
            self._sources[id(tensor)] = frozenset({name})
            self._alive.append(tensor)


def flow_of(network: nn.Module, example: Example, modules: Collection[str]) -> Flow:
    """Run a network that is ours once and note where the outputs of some of its modules go."""
    notes = _Notes(modules)
    with torch.no_grad(), _watched(network, notes), notes:
        run_network(network, example)
    readers = {name: frozenset(found) for name, found in notes.readers.items()}
    return Flow(dict(notes.calls), notes.behind, readers, notes.sources)


@contextmanager
def _watched(network: nn.Module, notes: _Notes) -> Iterator[None]:
    hooks = []
    for name, module in network.named_modules():
        hooks.append(module.register_forward_pre_hook(_starting(notes, name), with_kwargs=True))
        hooks.append(module.register_forward_hook(lambda _module, _args, output: notes.ended(output)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _starting(notes: _Notes, name: str) -> Callable[..., None]:
    return lambda _module, args, kwargs: notes.started(name, (args, kwargs))
