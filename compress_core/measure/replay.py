"""A forward pass that starts at the first changed weight and takes what came before from memory.

One recording pass of the original notes when every module call starts and ends, who consumes its
output, and when each parameter is first used. For a change at time t, calls that ended before t
are answered: from a clone of their output where somebody after t reads it, and by a placeholder of
NaN where only other answered calls would. There is no graph capture and no assumption on what a
module does inside, and the result equals a full forward bit for bit.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Output = Tensor | tuple[Tensor | None, ...]
CallKey = tuple[str, int]


@dataclass
class Call:
    """One call of a module: when it started and ended, its place in the nest, who read its output.

    readers: for every read, the calls that were under way; reruns: its output shares memory with
    something made before it started, so it must run again rather than be answered.
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
class Cut:
    """What a pass that starts at one moment needs: per call answered, whether its output is read."""

    moment: int
    answered: tuple[CallKey, ...]
    read: frozenset[CallKey]
    seconds: float


def tensors_of(value: object) -> Iterator[Tensor]:
    """All tensors in nested lists, tuples and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_of(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_of(item)


def _is_answerable(output: object) -> bool:
    if isinstance(output, Tensor):
        return True
    return isinstance(output, tuple) and all(o is None or isinstance(o, Tensor) for o in output)


class _Trace(TorchFunctionMode):
    """Notes calls, reads and first uses while the original runs once."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.outputs: dict[int, Output] = {}
        self.first_use: dict[str, int] = {}
        self.seconds: list[float] = []
        self._clock = 0
        self._noting = False
        self._open: list[int] = []
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._made: dict[int, int] = {}
        self._memory: dict[int, int] = {}
        self._alive: list[Tensor] = []
        self._names = {id(p): name for name, p in network.named_parameters(remove_duplicate=True)}

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if not self._noting:
            for tensor in tensors_of((args, kwargs or {})):
                self._read(tensor)
        return func(*args, **(kwargs or {}))

    def _tick(self) -> int:
        self._clock += 1
        self.seconds.append(time.perf_counter())
        return self._clock

    def _read(self, tensor: Tensor) -> None:
        name = self._names.get(id(tensor))
        if name is not None and name not in self.first_use:
            self.first_use[name] = self._tick()
        made_by = self._made.get(id(tensor))
        if made_by is not None:
            self.calls[made_by].readers.append(tuple(self._open))

    def started(self, name: str, inputs: object) -> None:
        self._noting = True
        index = len(self.calls)
        self.calls.append(Call((name, self._counts[name]), self._tick(), tuple(self._open)))
        self._counts[name] += 1
        for tensor in tensors_of(inputs):
            self._memory.setdefault(tensor.untyped_storage().data_ptr(), 0)
            self._alive.append(tensor)  # or its address could come back as another tensor's
        self._open.append(index)
        self._noting = False

    def ended(self, output: object) -> None:
        self._noting = True
        index = self._open.pop()
        call = self.calls[index]
        call.end = self._tick()
        tensors = list(tensors_of(output))
        memory = [t.untyped_storage().data_ptr() for t in tensors]
        older = any(self._memory.get(m, call.end) < call.start for m in memory)
        call.reruns = older or not _is_answerable(output)
        for tensor, place in zip(tensors, memory, strict=True):
            self._made[id(tensor)] = index
            self._memory.setdefault(place, call.end)
            self._alive.append(tensor)
        if not call.reruns:
            self.outputs[index] = _cloned(output)  # type: ignore[arg-type]
        self._noting = False


def _cloned(output: Output) -> Output:
    if isinstance(output, Tensor):
        return output.clone()
    return tuple(None if o is None else o.clone() for o in output)


def _placeholder(output: Output) -> Output:
    """Same shapes, no memory; NaN shows up at once should anybody read it after all."""
    if isinstance(output, Tensor):
        filler = float("nan") if output.is_floating_point() else 0
        return torch.full((1,) * output.dim(), filler, dtype=output.dtype).expand(output.shape)
    return tuple(None if o is None else _placeholder(o) for o in output)  # type: ignore[misc]


@contextmanager
def _watched(network: nn.Module, trace: _Trace) -> Iterator[None]:
    hooks = []
    for name, module in network.named_modules():
        before = _starting(trace, name)
        hooks.append(module.register_forward_pre_hook(before, with_kwargs=True))
        hooks.append(module.register_forward_hook(_ending(trace)))
    try:
        with trace:
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _starting(trace: _Trace, name: str) -> Callable[..., None]:
    return lambda _module, args, kwargs: trace.started(name, (args, kwargs))


def _ending(trace: _Trace) -> Callable[..., None]:
    return lambda _module, _args, output: trace.ended(output)


def _answered(calls: Sequence[Call], moment: int) -> list[int]:
    """The topmost calls that ended before a moment and can be answered."""
    chosen: set[int] = set()
    for index, call in enumerate(calls):
        if call.end < moment and not call.reruns and not chosen.intersection(call.parents):
            chosen.add(index)
    return sorted(chosen)


def _cut(calls: Sequence[Call], moment: int, seconds: float) -> Cut:
    answered = _answered(calls, moment)
    inside = set(answered)
    read = frozenset(
        calls[i].key
        for i in answered
        if any(not inside.intersection(reader) for reader in calls[i].readers) or not calls[i].parents
    )
    return Cut(moment, tuple(calls[i].key for i in answered), read, seconds)


@dataclass(frozen=True, eq=False)
class Recording:
    """What one pass of the original over all batches left behind.

    outputs: per batch, the original's result; kept: per batch, outputs by call; cuts ascend in time.
    """

    batches: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    calls: tuple[Call, ...]
    cuts: tuple[Cut, ...]
    kept: tuple[dict[CallKey, Output], ...]
    first_use: dict[str, int]

    @property
    def nbytes(self) -> int:
        held = sum(t.nbytes for batch in self.kept for t in tensors_of(batch) if any(t.stride()))
        return held + sum(t.nbytes for t in self.outputs)

    def cut_for(self, parameters: Iterable[str]) -> Cut | None:
        """The latest kept cut before the first use of any of these parameters; None: run in full."""
        uses = [self.first_use[name] for name in parameters if name in self.first_use]
        first = min(uses, default=0)
        before = [cut for cut in self.cuts if cut.moment <= first]
        return before[-1] if before else None


def record(
    network: nn.Module, batches: Iterable[Tensor], parameters: Iterable[str], max_bytes: int
) -> Recording:
    """Run the original over all batches and keep what later passes need, within max_bytes.

    parameters: names of the weights that may change. The caller owns the network: a skeleton.
    """
    items = tuple(batches)
    traces = []
    kept: list[dict[CallKey, Output]] = []
    results = []
    cuts: tuple[Cut, ...] = ()
    for batch in items:
        trace = _Trace(network)
        with torch.inference_mode(), _watched(network, trace):
            results.append(network(batch))
        if not traces:
            cuts = _affordable(trace, parameters, max_bytes // max(1, len(items)))
        kept.append(_kept_outputs(trace, cuts))
        traces.append((tuple(c.signature for c in trace.calls), dict(trace.first_use)))
        calls, first_use = tuple(trace.calls), trace.first_use
    if any(t != traces[0] for t in traces):
        cuts = ()  # its course depends on the items: only full passes are safe
    if not cuts:
        kept = [{} for _ in items]
    return Recording(items, tuple(results), calls, cuts, tuple(kept), first_use)


def _kept_outputs(trace: _Trace, cuts: Sequence[Cut]) -> dict[CallKey, Output]:
    wanted = {key for cut in cuts for key in cut.answered}
    read = {key for cut in cuts for key in cut.read}
    by_key = {trace.calls[i].key: output for i, output in trace.outputs.items()}
    return {k: by_key[k] if k in read else _placeholder(by_key[k]) for k in wanted if k in by_key}


def _affordable(trace: _Trace, parameters: Iterable[str], max_bytes: int) -> tuple[Cut, ...]:
    """A cut for each weight; while they take too much, the one that saves the least time goes."""
    moments = sorted({trace.first_use[p] for p in parameters if p in trace.first_use})
    start = trace.seconds[0]
    cuts = [_cut(trace.calls, m, trace.seconds[m - 1] - start) for m in moments]
    sizes = {
        trace.calls[i].key: sum(t.nbytes for t in tensors_of(o)) for i, o in trace.outputs.items()
    }
    while cuts and sum(sizes.get(k, 0) for k in {k for c in cuts for k in c.read}) > max_bytes:
        gains = [c.seconds - (cuts[i - 1].seconds if i else 0.0) for i, c in enumerate(cuts)]
        cuts.pop(gains.index(min(gains)))
    return tuple(cuts)


def replay(network: nn.Module, recording: Recording, parameters: Iterable[str]) -> tuple[Tensor, ...]:
    """The outputs of an edited network for every batch, equal to a full forward bit for bit.

    network: a skeleton that the caller owns, whose only changes are these parameters.
    """
    cut = recording.cut_for(parameters)
    results = []
    for index, batch in enumerate(recording.batches):
        output = None
        if cut is not None:
            output = _run_from(network, recording, cut, index)
        if output is None or not bool(torch.isfinite(output).all()):
            with torch.inference_mode():
                output = network(batch)
        results.append(output)
    return tuple(results)


def _run_from(network: nn.Module, recording: Recording, cut: Cut, index: int) -> Tensor:
    answers = recording.kept[index]
    answered = set(cut.answered)
    hidden = {i for i, c in enumerate(recording.calls) if c.key in answered}
    visible: defaultdict[str, list[Call]] = defaultdict(list)
    for call in recording.calls:
        if not hidden.intersection(call.parents):
            visible[call.key[0]].append(call)
    changed = []
    try:
        for name, calls in visible.items():
            if any(c.key in answered for c in calls):
                module = network.get_submodule(name)
                replies = [answers[c.key] if c.key in answered else None for c in calls]
                module.forward = _answering(module.forward, iter(replies))
                changed.append(module)
        with torch.inference_mode():
            result: Tensor = network(recording.batches[index])
            return result
    finally:
        for module in changed:
            del module.forward


def _answering(original: Callable[..., Any], replies: Iterator[Output | None]) -> Callable[..., Any]:
    """A forward that gives the noted outputs in turn and computes where there is none."""

    def forward(*args: Any, **kwargs: Any) -> Any:
        reply = next(replies, None)
        if reply is None:
            return original(*args, **kwargs)
        return reply if _is_placeholder(reply) else _cloned(reply)

    return forward


def _is_placeholder(reply: Output) -> bool:
    tensor = next(tensors_of(reply), None)
    return tensor is not None and tensor.numel() > 1 and not any(tensor.stride())
