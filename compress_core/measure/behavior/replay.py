"""A forward pass that starts at the first changed weight and takes what came before from memory.

One recording pass of the original notes when every module call starts and ends, who reads its output,
who writes where, and when each parameter is first used. For a change at time t, calls that ended
before t are answered: from a clone of their output where somebody reads it, and by a stand-in that
cannot be read where only other answered calls would. There is no graph capture and no assumption on
what a module does inside, and the result equals a full forward bit for bit, but for the sign of a zero
where max pooling meets both (`compress_core/network/quick_pooling.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.foundation.giving_way import give_way
from compress_core.measure.behavior.call_trace import (
    CallKey,
    CallTrace,
    ModuleCall,
    Output,
    ReadAfterAllError,
    Unread,
    cloned,
    stand_in,
    tensors_of,
    watched,
)
from compress_core.network.forward import run_network, running_on
from compress_core.network.living_memory import own_buffers
from compress_core.network.quick_pooling import pooled_quickly

_LOOKED_AT = 2
"""Items of the pass that plans a recording: networks may treat a single one in a way of its own."""


@dataclass(frozen=True)
class ResumePoint:
    """What a pass that starts at one moment needs: per call answered, whether its output is read."""

    moment: int
    answered: tuple[CallKey, ...]
    read: frozenset[CallKey]
    seconds: float


def _answered(calls: Sequence[ModuleCall], moment: int) -> list[int]:
    """The topmost calls that ended before a moment and can be answered."""
    run_again: set[int] = set()
    while True:
        chosen = _topmost(calls, moment, run_again)
        seen = {index for index in chosen if not _is_unseen(calls, calls[index], chosen)}
        if not seen:
            return sorted(chosen)
        run_again |= seen


def _topmost(calls: Sequence[ModuleCall], moment: int, run_again: set[int]) -> set[int]:
    chosen: set[int] = set()
    for index, call in enumerate(calls):
        may_be = call.end < moment and not call.reruns and index not in run_again
        if may_be and not chosen.intersection(call.parents):
            chosen.add(index)
    return chosen


def _is_unseen(calls: Sequence[ModuleCall], call: ModuleCall, chosen: set[int]) -> bool:
    """Whether what a call wrote over was made and is read by answered calls alone: nobody misses it."""
    return all(
        chosen.intersection((maker, *calls[maker].parents))
        and all(chosen.intersection(reader) for reader in calls[maker].readers)
        for maker in call.written_over
    )


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
    return sum(t.nbytes for t in tensors_of(output) if not isinstance(t, Unread))


@dataclass(frozen=True)
class _Plan:
    """What a pass of a few items showed: the course, and the cuts whose outputs are kept of all items."""

    calls: tuple[ModuleCall, ...]
    first_use: dict[str, int]
    cuts: tuple[ResumePoint, ...]

    @property
    def answered(self) -> frozenset[CallKey]:
        return frozenset(key for cut in self.cuts for key in cut.answered)

    @property
    def read(self) -> frozenset[CallKey]:
        return frozenset(key for cut in self.cuts for key in cut.read)

    def holds_for(self, trace: CallTrace) -> bool:
        """Whether another pass took the very same course."""
        same = len(self.calls) == len(trace.calls) and self.first_use == trace.first_use
        return same and all(a.signature == b.signature for a, b in zip(self.calls, trace.calls, strict=True))


def record(
    network: nn.Module, batches: Iterable[Tensor], parameters: Iterable[str], max_bytes: int
) -> Recording:
    """Run the original over all batches and keep what later passes need, within max_bytes.

    batches [n, ...]. A pass of the first items tells what will be read; nothing else is kept of the others,
    so that a recording takes what a plain pass takes, and max_bytes.

    parameters: names of the weights that may change. The caller owns the network: a skeleton.
    """
    items = tuple(batches)
    plan = _planned(network, items, parameters, max_bytes)
    kept: list[dict[CallKey, Output]] = []
    results = []
    for batch in items:
        trace = CallTrace(network, plan.answered, plan.read)
        results.append(_traced(network, batch, trace))
        kept.append(trace.outputs)
        held = sum(_bytes_of(output) for outputs in kept for output in outputs.values())
        if held > max_bytes or not plan.holds_for(trace):  # a course that depends on the items
            plan = replace(plan, cuts=())  # only full passes are safe
        if not plan.cuts:
            kept = [{} for _ in kept]
    return Recording(items, tuple(results), plan.calls, plan.cuts, tuple(kept), plan.first_use)


def _traced(network: nn.Module, batch: Tensor, trace: CallTrace) -> Tensor:
    # Inference mode counts no versions.
    with torch.no_grad(), running_on(batch), pooled_quickly(), watched(network, trace):
        result: Tensor = run_network(network, batch)
    return result


def _planned(network: nn.Module, items: Sequence[Tensor], parameters: Iterable[str], max_bytes: int) -> _Plan:
    """The course and the cuts that are worth their bytes, from a pass of the first few items."""
    if not items:
        return _Plan((), {}, ())
    few = items[0][:_LOOKED_AT]
    trace = CallTrace(network)
    with own_buffers(network):
        _traced(network, few, trace)
    times = sum(map(len, items)) / max(1, len(few))
    cuts = _affordable(trace, parameters, max_bytes / max(1.0, times))
    return _Plan(tuple(trace.calls), trace.first_use, cuts)


def _affordable(trace: CallTrace, parameters: Iterable[str], max_bytes: float) -> tuple[ResumePoint, ...]:
    """A cut for each weight; while they take too much, the one that saves the least time a byte goes."""
    moments = sorted({trace.first_use[p] for p in parameters if p in trace.first_use})
    cuts = [_cut(trace.calls, m, trace.seconds[m - 1] - trace.seconds[0]) for m in moments]
    readers = Counter(key for cut in cuts for key in cut.read)
    while cuts and sum(trace.sizes[key] for key in +readers) > max_bytes:
        gains = [c.seconds - (cuts[i - 1].seconds if i else 0.0) for i, c in enumerate(cuts)]
        alone = [sum(trace.sizes[key] for key in c.read if readers[key] == 1) for c in cuts]
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
    with torch.inference_mode(), pooled_quickly():
        for index, batch in enumerate(recording.batches):
            give_way()
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
    except ReadAfterAllError:
        return None
    else:
        return None if isinstance(result, Unread) else result
    finally:
        for module, before in own:
            if before is None:
                vars(module).pop("forward", None)
            else:
                module.forward = before


def _replies(recording: Recording, cut: ResumePoint, index: int) -> dict[str, list[Output | None]]:
    """For each module that is answered at all, its calls in order: an output, or None to compute.

    What only passes from an earlier cut read is answered by a stand-in: copying it would be for nobody.
    """
    answered, noted = set(cut.answered), recording.kept[index]
    kept = {key: noted[key] if key in cut.read else stand_in(noted[key]) for key in cut.answered}
    hidden = {i for i, call in enumerate(recording.calls) if call.key in answered}
    replies: defaultdict[str, list[Output | None]] = defaultdict(list)
    for call in recording.calls:
        if not hidden.intersection(call.parents):
            replies[call.key[0]].append(kept[call.key] if call.key in answered else None)
    return {name: calls for name, calls in replies.items() if any(c is not None for c in calls)}


def _answering(original: Callable[..., Any], replies: Iterator[Output | None]) -> Callable[..., Any]:
    """A forward that gives the noted outputs in turn and computes where there is none."""

    def forward(*args: Any, **kwargs: Any) -> Any:
        reply = next(replies, None)
        if reply is None:
            return original(*args, **kwargs)
        return reply if any(isinstance(t, Unread) for t in tensors_of(reply)) else cloned(reply)

    return forward
