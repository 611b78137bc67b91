"""How much memory the activations of one item take at most, and where."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store


@dataclass(frozen=True)
class PeakMemory:
    """The most bytes that tensors of one item held at the same time, and the module that ran then.

    bytes is exact for torch as it runs here, operation by operation: the item, every result that something
    still holds on to, each memory once however many views it has. Weights, buffers and what a kernel
    takes for itself while it runs are not in it; a runtime that fuses operations needs less.
    """

    bytes: Number
    module: str


def peak_memory(model: Model, store: Store) -> PeakMemory:
    """Peak activation memory for batch 1, from one traced pass of the network that ships."""
    return store.get(f"peak:{model.key}", lambda: traced_peak(model.network(), model.base.input.baseline))


def traced_peak(network: nn.Module, item: Tensor) -> PeakMemory:
    """The same for a network that the caller owns, and an item [1, ...]."""
    own = {tensor.untyped_storage()._cdata for tensor in (*network.parameters(), *network.buffers())}  # noqa: SLF001 - its identity
    trace = _Living(own)
    given = item.clone()
    try:
        with torch.no_grad(), _named(network, trace), trace:
            trace.note(given)
            network(given)
    finally:
        trace.forget()
    return PeakMemory(Number(float(trace.most), "B", "exact", n=1), trace.place)


class _Living(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives it no types
    """Counts the bytes of the memories that results of operations live in, from birth to death."""

    def __init__(self, own: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives it no types
        self.most, self.place = 0, ""
        self.open: list[str] = [""]
        self._bytes = 0
        self._watches: list[weakref.finalize[..., Any]] = []
        self._known = dict.fromkeys(own, 0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in self._tensors((args, kwargs)):
            self._watch(tensor, 0)  # a constant of the network, unless it is known
        result = func(*args, **(kwargs or {}))
        for tensor in self._tensors(result):
            self.note(tensor)
        return result

    @staticmethod
    def _tensors(values: object) -> Iterator[Tensor]:
        return (leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor))

    def note(self, tensor: Tensor) -> None:
        """Count the memory of a tensor from now until nobody holds on to it."""
        self._watch(tensor, tensor.untyped_storage().nbytes())
        if self._bytes > self.most:
            self.most, self.place = self._bytes, self.open[-1]

    def forget(self) -> None:
        """Watch nothing any longer: what outlives the pass shall not keep this alive."""
        for watch in self._watches:
            watch.detach()

    def _watch(self, tensor: Tensor, size: int) -> None:
        memory = tensor.untyped_storage()
        key = memory._cdata  # noqa: SLF001 - its identity
        if key not in self._known:
            self._known[key] = size
            self._bytes += size
            self._watches.append(weakref.finalize(memory, self._gone, key))

    def _gone(self, key: int) -> None:
        self._bytes -= self._known.pop(key)


@contextmanager
def _named(network: nn.Module, trace: _Living) -> Iterator[None]:
    """Tell the trace which module is running."""
    hooks = []
    for name, module in network.named_modules():
        hooks.append(module.register_forward_pre_hook(_opening(trace, name)))
        hooks.append(module.register_forward_hook(_closing(trace)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _opening(trace: _Living, name: str) -> Callable[..., None]:
    return lambda _module, _given: trace.open.append(name)


def _closing(trace: _Living) -> Callable[..., None]:
    def close(_module: nn.Module, _given: object, _output: object) -> None:
        trace.open.pop()

    return close
