"""What happens in one pass: which calls start and end, who reads whose output, who writes where.

Nothing is kept alive by being watched: an output that nobody keeps goes when the network lets go of it.
"""

from __future__ import annotations

import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Output = Tensor | tuple[Tensor | None, ...]
CallKey = tuple[str, int]


@dataclass
class ModuleCall:
    """One call of a module: when it started and ended, its place in the nest, who read its output.

    readers: for every read, the calls that were under way; reruns: its answer would not stand for all
    that it did (its output shares memory with something older, it wrote to something older, it left a
    tensor behind), so it must run again rather than be answered. written_over: earlier calls whose very
    output it wrote to or gave back, as an activation in place does; that matters where somebody reads it.
    """

    key: CallKey
    start: int
    parents: tuple[int, ...]
    end: int = -1
    reruns: bool = False
    readers: list[tuple[int, ...]] = field(default_factory=list)
    written_over: set[int] = field(default_factory=set)

    @property
    def signature(self) -> tuple[object, ...]:
        over = tuple(sorted(self.written_over))
        return self.key, self.start, self.end, self.parents, self.reruns, tuple(self.readers), over


class ReadAfterAllError(RuntimeError):
    """A stand-in was read: the edited network takes another course than the recorded one."""


class Unread(Tensor):
    """Stands for an output that nobody reads; whoever does is stopped."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise ReadAfterAllError


def tensors_of(value: object) -> Iterator[Tensor]:
    """All tensors, of any shape, in nested lists, tuples and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_of(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_of(item)


def _memory_of(tensor: Tensor) -> int:
    """The address of a tensor's memory; 0, older than everything, where there is no plain one."""
    plain = tensor.layout is torch.strided and not tensor.is_nested
    return tensor.untyped_storage().data_ptr() if plain else 0


def _version_of(tensor: Tensor) -> int:
    """How often a tensor's memory was written to."""
    return 0 if tensor.is_inference() else tensor._version  # noqa: SLF001 - torch has no other name for it


class CallTrace(TorchFunctionMode):
    """Notes calls, reads, writes and first uses while the original runs once.

    sizes: bytes of each output that could be kept; outputs: of the calls in `answered` a clone where it is
    in `read`, else a stand-in. Everything else is let go as the network lets go of it.
    """

    def __init__(
        self, network: nn.Module, answered: Collection[CallKey] = (), read: Collection[CallKey] = ()
    ) -> None:
        super().__init__()
        self.calls: list[ModuleCall] = []
        self.sizes: dict[CallKey, int] = {}
        self.outputs: dict[CallKey, Output] = {}
        self.first_use: dict[str, int] = {}
        self.seconds: list[float] = []
        self._noting = False
        self._open: list[int] = []
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._answered, self._to_read = answered, read
        self._makers: dict[int, tuple[weakref.ref[Tensor], list[int]]] = {}
        self._origin: dict[int, tuple[weakref.ref[Tensor], tuple[int, ...]]] = {}
        self._names = {id(p): name for name, p in network.named_parameters()}
        self._first_seen: dict[int, tuple[weakref.ref[torch.UntypedStorage], int]] = {}
        for tensor in (*network.parameters(), *network.buffers()):
            self._see(tensor, 0)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self._noting:
            return func(*args, **(kwargs or {}))
        given = {id(t): t for t in tensors_of((args, kwargs or {}))}
        for tensor in given.values():
            self._read(tensor)
            self._see(tensor, 0)
        versions = [_version_of(t) for t in given.values()]
        result = func(*args, **(kwargs or {}))
        for tensor, version in zip(given.values(), versions, strict=True):
            if _version_of(tensor) != version:
                self._written(tensor)
        for tensor in tensors_of(result):
            if id(tensor) not in given:
                self._origin[id(tensor)] = weakref.ref(tensor), tuple(self._open)
                self._see(tensor, len(self.seconds))
        return result

    def _since(self, tensor: Tensor) -> int | None:
        """Since when a tensor's memory has been in use; None where that is not known.

        An address may come back as another tensor's, so whoever had it must still live.
        """
        address = _memory_of(tensor)
        memory, since = self._first_seen.get(address, (None, 0))
        return 0 if address == 0 else since if memory is not None and memory() is not None else None

    def _see(self, tensor: Tensor, since: int) -> None:
        """Note since when a tensor's memory has been in use, unless that is known."""
        if self._since(tensor) is None:
            self._first_seen[_memory_of(tensor)] = weakref.ref(tensor.untyped_storage()), since

    def _made_by(self, tensor: Tensor) -> list[int]:
        """The calls whose output this very tensor is."""
        maker, calls = self._makers.get(id(tensor), (None, []))
        return calls if maker is not None and maker() is tensor else []

    def _tick(self) -> int:
        self.seconds.append(time.perf_counter())
        return len(self.seconds)

    def _read(self, tensor: Tensor) -> None:
        name = self._names.get(id(tensor))
        if name is not None and name not in self.first_use:
            self.first_use[name] = self._tick()
        makers = self._made_by(tensor)
        for maker in makers:
            self.calls[maker].readers.append(tuple(self._open))
        origin, inside = self._origin.get(id(tensor), (None, ()))
        inside = inside if origin is not None and origin() is tensor else ()
        for index in {*inside, *(p for m in makers for p in self.calls[m].parents)}:
            if self.calls[index].end > 0 and index not in makers:
                self.calls[index].reruns = True  # it left this tensor behind, beside its output

    def _written(self, tensor: Tensor) -> None:
        seen, makers = self._since(tensor), self._made_by(tensor)
        for index in self._open:
            if seen is not None and seen < self.calls[index].start:
                self._reaches_back(self.calls[index], makers)

    def _reaches_back(self, call: ModuleCall, makers: Collection[int]) -> None:
        """Note that a call wrote to, or gave back, older memory: the output of these calls, or anything."""
        before = [maker for maker in makers if 0 < self.calls[maker].end < call.start]
        call.written_over.update(before)
        call.reruns |= not before

    def started(self, name: str, inputs: object, *, is_hooked: bool) -> None:
        """A module is called."""
        self._noting = True
        index = len(self.calls)
        call = ModuleCall((name, self._counts[name]), self._tick(), tuple(self._open), reruns=is_hooked)
        self.calls.append(call)
        self._counts[name] += 1
        for tensor in tensors_of(inputs):
            self._see(tensor, 0)
        self._open.append(index)
        self._noting = False

    def ended(self, output: object) -> None:
        """The call that began last returns."""
        self._noting = True
        index = self._open.pop()
        call = self.calls[index]
        call.end = self._tick()
        tensors = list(tensors_of(output))
        for tensor in tensors:
            age = self._since(tensor)
            if age is not None and age < call.start:
                self._reaches_back(call, self._made_by(tensor))
        twice = len(set(map(_memory_of, tensors))) < len(tensors)
        for tensor in tensors:
            self._makers[id(tensor)] = weakref.ref(tensor), [*self._made_by(tensor), index]
            self._see(tensor, call.end)
        if twice or not _is_copied_alike(output):
            call.reruns = True
        elif not call.reruns:
            self._keep(call.key, output)
        self._noting = False

    def _keep(self, key: CallKey, output: Output) -> None:
        self.sizes[key] = sum(t.nbytes for t in tensors_of(output))
        if key in self._to_read:
            self.outputs[key] = cloned(output)
        elif key in self._answered:
            self.outputs[key] = stand_in(output)


def _is_copied_alike(output: object) -> TypeGuard[Output]:
    """Whether a clone of an output has the very same layout."""
    if type(output) is tuple:
        return all(o is None or (type(o) is Tensor and _is_copied_alike(o)) for o in output)
    if type(output) is not Tensor or output.layout is not torch.strided or output.is_nested:
        return False
    return torch.empty_like(output, device="meta").stride() == output.stride()


def cloned(output: Output) -> Output:
    """The same tensors in memory of their own."""
    if isinstance(output, Tensor):
        return output.clone()
    return tuple(None if o is None else o.clone() for o in output)


def stand_in(output: Output) -> Output:
    """What is given in the place of an output that nobody reads."""
    if isinstance(output, Tensor):
        return torch.empty(0).as_subclass(Unread)
    return tuple(None if o is None else torch.empty(0).as_subclass(Unread) for o in output)


@contextmanager
def watched(network: nn.Module, trace: CallTrace) -> Iterator[None]:
    """Tell the trace of every call of a network that the caller owns."""
    hooks = []
    for name, module in network.named_modules():
        before = _starting(trace, name, is_hooked=bool(module._forward_hooks))  # noqa: SLF001 - asked nowhere else
        hooks.append(module.register_forward_pre_hook(before, with_kwargs=True))
        hooks.append(module.register_forward_hook(_ending(trace)))
    try:
        with trace:
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _starting(trace: CallTrace, name: str, *, is_hooked: bool) -> Callable[..., None]:
    return lambda _module, args, kwargs: trace.started(name, (args, kwargs), is_hooked=is_hooked)


def _ending(trace: CallTrace) -> Callable[..., None]:
    return lambda _module, _args, output: trace.ended(output)
