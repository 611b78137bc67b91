"""A forward pass that starts at the first changed weight and takes what came before from memory.

One recording pass of the original notes when every module call starts and ends, who reads its output,
who writes where, and when each parameter is first used. For a change at time t, calls that ended
before t are answered: from a clone of their output where somebody reads it, and by a stand-in that
cannot be read where only other answered calls would. There is no graph capture and no assumption on
what a module does inside, and the result equals a full forward bit for bit.
"""

from __future__ import annotations

import time
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from compress_core.network.forward import run_network, running_on

Output = Tensor | tuple[Tensor | None, ...]
CallKey = tuple[str, int]


@dataclass
class ModuleCall:
    """One call of a module: when it started and ended, its place in the nest, who read its output.

    readers: for every read, the calls that were under way; reruns: its answer would not stand for all
    that it did (its output shares memory with something older, it wrote to something older, it left a
    tensor behind), so it must run again rather than be answered.
    """

    key: CallKey
    start: int
    parents: tuple[int, ...]
    end: int = -1
    reruns: bool = False
    readers: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def signature(self) -> tuple[object, ...]:
        return self.key, self.start, self.end, self.parents, self.reruns, tuple(self.readers)


@dataclass(frozen=True)
class ResumePoint:
    """What a pass that starts at one moment needs: per call answered, whether its output is read."""

    moment: int
    answered: tuple[CallKey, ...]
    read: frozenset[CallKey]
    seconds: float


class _ReadAfterAllError(RuntimeError):
    """A stand-in was read: the edited network takes another course than the recorded one."""


class _Unread(Tensor):
    """Stands for an output that nobody reads; whoever does is stopped."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise _ReadAfterAllError


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


def _copy_of(output: object) -> Output | None:
    """A clone of an output in the very same layout; None where there can be none."""
    if type(output) is Tensor:
        copy = output.clone()
        return copy if copy.stride() == output.stride() else None
    if type(output) is not tuple:
        return None
    copies = tuple(None if o is None else _copy_of(o) for o in output)
    if any(not isinstance(c, Tensor) for c, o in zip(copies, output, strict=True) if o is not None):
        return None
    return tuple(c if isinstance(c, Tensor) else None for c in copies)


class _Trace(TorchFunctionMode):
    """Notes calls, reads, writes and first uses while the original runs once."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.calls: list[ModuleCall] = []
        self.outputs: dict[int, Output] = {}
        self.first_use: dict[str, int] = {}
        self.seconds: list[float] = []
        self._noting = False
        self._open: list[int] = []
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._makers: defaultdict[int, list[int]] = defaultdict(list)
        self._origin: dict[int, tuple[weakref.ref[Tensor], tuple[int, ...]]] = {}
        self._alive: list[Tensor] = []  # or an address could come back as another tensor's
        self._names = {id(p): name for name, p in network.named_parameters()}
        state = [*network.parameters(), *network.buffers()]
        self._first_seen = dict.fromkeys(map(_memory_of, state), 0) | {0: 0}

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

    def _see(self, tensor: Tensor, since: int) -> None:
        """Note since when a tensor's memory has been in use, unless that is known."""
        if self._first_seen.setdefault(_memory_of(tensor), since) == since:
            self._alive.append(tensor)

    def _tick(self) -> int:
        self.seconds.append(time.perf_counter())
        return len(self.seconds)

    def _read(self, tensor: Tensor) -> None:
        name = self._names.get(id(tensor))
        if name is not None and name not in self.first_use:
            self.first_use[name] = self._tick()
        makers = self._makers.get(id(tensor), [])
        for maker in makers:
            self.calls[maker].readers.append(tuple(self._open))
        origin, inside = self._origin.get(id(tensor), (None, ()))
        inside = inside if origin is not None and origin() is tensor else ()
        for index in {*inside, *(p for m in makers for p in self.calls[m].parents)}:
            if self.calls[index].end > 0 and index not in makers:
                self.calls[index].reruns = True  # it left this tensor behind, beside its output

    def _written(self, tensor: Tensor) -> None:
        seen = self._first_seen.get(_memory_of(tensor))
        for index in self._open:
            if seen is not None and seen < self.calls[index].start:
                self.calls[index].reruns = True

    def started(self, name: str, inputs: object, *, is_hooked: bool) -> None:
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
        self._noting = True
        index = self._open.pop()
        call = self.calls[index]
        call.end = self._tick()
        tensors = list(tensors_of(output))
        memory = [_memory_of(t) for t in tensors]
        older = any(self._first_seen.get(m, call.end) < call.start for m in memory)
        copy = None if older or len(set(memory)) < len(memory) else _copy_of(output)
        for tensor, place in zip(tensors, memory, strict=True):
            self._makers[id(tensor)].append(index)
            self._first_seen.setdefault(place, call.end)
            self._alive.append(tensor)
        if copy is None:
            call.reruns = True
        else:
            self.outputs[index] = copy
        self._noting = False


def _cloned(output: Output) -> Output:
    if isinstance(output, Tensor):
        return output.clone()
    return tuple(None if o is None else o.clone() for o in output)


def _stand_in(output: Output) -> Output:
    if isinstance(output, Tensor):
        return torch.empty(0).as_subclass(_Unread)
    return tuple(None if o is None else torch.empty(0).as_subclass(_Unread) for o in output)


@contextmanager
def _watched(network: nn.Module, trace: _Trace) -> Iterator[None]:
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


def _starting(trace: _Trace, name: str, *, is_hooked: bool) -> Callable[..., None]:
    return lambda _module, args, kwargs: trace.started(name, (args, kwargs), is_hooked=is_hooked)


def _ending(trace: _Trace) -> Callable[..., None]:
    return lambda _module, _args, output: trace.ended(output)


def _answered(calls: Sequence[ModuleCall], moment: int) -> list[int]:
    """The topmost calls that ended before a moment and can be answered."""
    chosen: set[int] = set()
    for index, call in enumerate(calls):
        if call.end < moment and not call.reruns and not chosen.intersection(call.parents):
            chosen.add(index)
    return sorted(chosen)


def _cut(calls: Sequence[ModuleCall], moment: int, seconds: float) -> ResumePoint:
    answered = _answered(calls, moment)
    inside = set(answered)
    read = frozenset(
        calls[i].key for i in answered if any(not inside.intersection(reader) for reader in calls[i].readers)
    )
    return ResumePoint(moment, tuple(calls[i].key for i in answered), read, seconds)


@dataclass(frozen=True, eq=False)
class Recording:
    """What one pass of the original over all batches left behind.

    outputs: per batch, the original's result; kept: per batch, outputs by call; cuts ascend in time.
    """

    batches: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    calls: tuple[ModuleCall, ...]
    cuts: tuple[ResumePoint, ...]
    kept: tuple[dict[CallKey, Output], ...]
    first_use: dict[str, int]

    @property
    def kept_bytes(self) -> int:
        """Bytes of the outputs that later passes are answered from."""
        return sum(_bytes_of(output) for batch in self.kept for output in batch.values())

    @property
    def nbytes(self) -> int:
        return self.kept_bytes + sum(_bytes_of(output) for output in self.outputs)

    def cut_for(self, parameters: Iterable[str] | None) -> ResumePoint | None:
        """The latest kept cut before the first use of any of these parameters; None: run in full."""
        if parameters is None:
            return None
        uses = [self.first_use[name] for name in parameters if name in self.first_use]
        first = min(uses, default=0)
        before = [cut for cut in self.cuts if cut.moment <= first]
        return before[-1] if before else None


def _bytes_of(output: object) -> int:
    return sum(t.nbytes for t in tensors_of(output) if not isinstance(t, _Unread))


def record(
    network: nn.Module, batches: Iterable[Tensor], parameters: Iterable[str], max_bytes: int
) -> Recording:
    """Run the original over all batches and keep what later passes need, within max_bytes.

    batches [n, ...].

    parameters: names of the weights that may change. The caller owns the network: a skeleton.
    """
    items = tuple(batches)
    signatures: list[tuple[object, ...]] = []
    kept: list[dict[CallKey, Output]] = []
    results = []
    cuts: tuple[ResumePoint, ...] = ()
    calls: tuple[ModuleCall, ...] = ()
    first_use: dict[str, int] = {}
    for batch in items:
        trace = _Trace(network)
        with (
            torch.no_grad(),
            running_on(batch),
            _watched(network, trace),
        ):  # inference mode would not count versions
            results.append(run_network(network, batch))
        calls, first_use = tuple(trace.calls), trace.first_use
        if not signatures:
            cuts = _affordable(trace, parameters, max_bytes // max(1, len(items)))
        kept.append(_kept_outputs(trace, cuts))
        signatures.append((tuple(c.signature for c in calls), first_use))
    if any(s != signatures[0] for s in signatures):
        cuts = ()  # its course depends on the items: only full passes are safe
    if not cuts:
        kept = [{} for _ in items]
    return Recording(items, tuple(results), calls, cuts, tuple(kept), first_use)


def _kept_outputs(trace: _Trace, cuts: Sequence[ResumePoint]) -> dict[CallKey, Output]:
    wanted = {key for cut in cuts for key in cut.answered}
    read = {key for cut in cuts for key in cut.read}
    by_key = {trace.calls[i].key: output for i, output in trace.outputs.items()}
    return {k: by_key[k] if k in read else _stand_in(by_key[k]) for k in wanted if k in by_key}


def _affordable(trace: _Trace, parameters: Iterable[str], max_bytes: int) -> tuple[ResumePoint, ...]:
    """A cut for each weight; while they take too much, the one that saves the least time a byte goes."""
    moments = sorted({trace.first_use[p] for p in parameters if p in trace.first_use})
    cuts = [_cut(trace.calls, m, trace.seconds[m - 1] - trace.seconds[0]) for m in moments]
    sizes = {trace.calls[i].key: _bytes_of(o) for i, o in trace.outputs.items()}
    readers = Counter(key for cut in cuts for key in cut.read)
    while cuts and sum(sizes[key] for key in +readers) > max_bytes:
        gains = [c.seconds - (cuts[i - 1].seconds if i else 0.0) for i, c in enumerate(cuts)]
        alone = [sum(sizes[key] for key in c.read if readers[key] == 1) for c in cuts]
        worth = [gain / max(1, size) for gain, size in zip(gains, alone, strict=True)]
        readers.subtract(cuts.pop(worth.index(min(worth))).read)
    return tuple(cuts)


def replay(network: nn.Module, recording: Recording, parameters: Iterable[str] | None) -> tuple[Tensor, ...]:
    """The outputs of an edited network for every batch, equal to a full forward bit for bit.

    -> outputs [n, ...], one for each batch that was recorded.

    network: a skeleton that the caller owns, whose course changes first where one of these parameters is
    used; None where that is not known.
    """
    cut = recording.cut_for(parameters)
    results = []
    with torch.inference_mode():
        for index, batch in enumerate(recording.batches):
            output = None if cut is None else _run_from(network, recording, cut, index)
            results.append(run_network(network, batch) if output is None else output)
    return tuple(results)


def _run_from(network: nn.Module, recording: Recording, cut: ResumePoint, index: int) -> Tensor | None:
    """The output for one batch, None where the edited network wants what was not kept."""
    replies = _replies(recording, cut, index)
    modules = [(network.get_submodule(name), answers) for name, answers in replies.items()]
    own = [(module, vars(module).get("forward")) for module, _ in modules]
    try:
        for module, answers in modules:
            module.forward = _answering(module.forward, iter(answers))
        result: Tensor = run_network(network, recording.batches[index])
    except _ReadAfterAllError:
        return None
    else:
        return None if isinstance(result, _Unread) else result
    finally:
        for module, before in own:
            if before is None:
                vars(module).pop("forward", None)
            else:
                module.forward = before


def _replies(recording: Recording, cut: ResumePoint, index: int) -> dict[str, list[Output | None]]:
    """For each module that is answered at all, its calls in order: an output, or None to compute."""
    answered = set(cut.answered)
    hidden = {i for i, call in enumerate(recording.calls) if call.key in answered}
    replies: defaultdict[str, list[Output | None]] = defaultdict(list)
    for call in recording.calls:
        if not hidden.intersection(call.parents):
            reply = recording.kept[index][call.key] if call.key in answered else None
            replies[call.key[0]].append(reply)
    return {name: calls for name, calls in replies.items() if any(c is not None for c in calls)}


def _answering(original: Callable[..., Any], replies: Iterator[Output | None]) -> Callable[..., Any]:
    """A forward that gives the noted outputs in turn and computes where there is none."""

    def forward(*args: Any, **kwargs: Any) -> Any:
        reply = next(replies, None)
        if reply is None:
            return original(*args, **kwargs)
        return reply if any(isinstance(t, _Unread) for t in tensors_of(reply)) else _cloned(reply)

    return forward
