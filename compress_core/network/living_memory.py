"""What a pass holds in memory while it runs: every result of an operation, from birth to death."""

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

from compress_core.foundation.errors import Refused
from compress_core.foundation.memory_budget import VARIABLE, as_size, memory_budget, rows_within_budget
from compress_core.network.forward import running_on

_KERNELS = 2
"""A kernel takes memory of its own while it runs (rearranged inputs, sums): about as much again."""
_PLAIN = frozenset({bool, int, float, torch.dtype, torch.device})


@dataclass(frozen=True)
class LivingMemory:
    """What the tensors of one pass take: bytes at most at a time, and of all that were made.

    peak: the most bytes that lived together, and place, the module that ran then; made: bytes of every
    result, which is what a gradient keeps at most. Weights, buffers and what a kernel takes for itself are
    not in it.
    """

    peak: int
    made: int
    place: str

    def rows_within(self, budget: int, most: int, *, gradient: bool = False) -> int:
        """How many such items go through together; raises Refused where not even one fits."""
        each = self.made + self.peak if gradient else _KERNELS * self.peak
        return rows_within_budget(each, most, budget)


def living_memory(network: nn.Module, item: Tensor) -> LivingMemory:
    """Watch one pass of an item [1, ...]; the caller owns the network."""
    given = item.clone()
    with torch.no_grad(), own_buffers(network):
        state = (*network.parameters(), *network.buffers())
        trace = _Living({tensor.untyped_storage()._cdata for tensor in state})  # noqa: SLF001 - its identity
        try:
            with _named(network, trace), trace:
                trace.note(given)
                with running_on(given):
                    network(given)
        finally:
            trace.forget()
    return LivingMemory(trace.most, trace.made, trace.place)


@contextmanager
def own_buffers(network: nn.Module) -> Iterator[None]:
    """Buffers that a look may write to: a network that counts or remembers is afterwards as it was."""
    copies = {id(buffer): buffer.clone() for buffer in network.buffers()}
    held = [(module._buffers, dict(module._buffers)) for module in network.modules()]  # noqa: SLF001 - replaced, not written
    for buffers, before in held:
        buffers.update({name: None if b is None else copies[id(b)] for name, b in before.items()})
    try:
        yield
    finally:
        for buffers, before in held:
            buffers.clear()
            buffers.update(before)


def rows_at_once(network: nn.Module, items: Tensor, most: int, *, gradient: bool = False) -> int:
    """How many items [N, ...] may go through a network together within the memory budget, at most `most`.

    gradient: every value is kept until the way back. The caller owns the network.

    Raises Refused where a single item does not fit.
    """
    if not len(items):
        return most
    return living_memory(network, items[:1]).rows_within(memory_budget(), most, gradient=gradient)


def refuse_unless_together(network: nn.Module, items: Tensor, count: int) -> None:
    """Raise Refused where so many items like [N, ...] in one pass are over the memory budget."""
    fit = rows_at_once(network, items, count)
    if fit < count:
        raise Refused(
            "{count} items must go through the network in one pass here, and the memory budget of {budget} "
            "is enough for {fit}: raise {variable}, take smaller batches, or leave this step out.",
            count=count,
            budget=as_size(memory_budget()),
            fit=fit,
            variable=VARIABLE,
        )


class _Living(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives it no types
    """Counts the bytes of the memories that results of operations live in, from birth to death."""

    supports_higher_order_operators = True

    def __init__(self, own: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives it no types
        self.most, self.made, self.place = 0, 0, ""
        self.open: list[str] = [""]
        self._bytes = 0
        self._watches: list[weakref.finalize[..., Any]] = []
        self._known = dict.fromkeys(own, 0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in self._tensors((args, kwargs or None)):
            self._watch(tensor, 0)  # a constant of the network, unless it is known
        result = func(*args, **(kwargs or {}))
        for tensor in self._tensors(result):
            self.note(tensor)
        return result

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: keeping the compiler away from a pass imports it first, 800 modules and 70 MB."""
        return False

    @classmethod
    def _tensors(cls, values: object) -> Iterator[Tensor]:
        """The tensors that an operation takes or gives; the usual containers are walked many times faster."""
        if isinstance(values, Tensor):
            yield values
        elif isinstance(values, tuple | list):
            for value in values:
                yield from cls._tensors(value)
        elif values is not None and type(values) not in _PLAIN:
            yield from (leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor))

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
            self.made += size
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
