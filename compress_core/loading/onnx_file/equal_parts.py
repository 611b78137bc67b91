"""Slices that together are a whole value in equal parts become one chunk: that holds when channels go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from compress_core.loading.onnx_file.network_plan import ComputedValue, GraphStep


def with_chunks(steps: Sequence[GraphStep]) -> list[GraphStep]:
    """The same steps, with a chunk where the first of its parts was made."""
    chunks = _chunks(steps)
    return list(dict.fromkeys(chunks.get(step.made[0], step) for step in steps))


def _chunks(steps: Sequence[GraphStep]) -> Mapping[int, GraphStep]:
    """The chunk that makes a value, by its number."""
    slices: defaultdict[tuple[int, int], list[GraphStep]] = defaultdict(list)
    for step in steps:
        if step.call == "slice" and step.given["every"] == 1 and isinstance(step.read[0], ComputedValue):
            slices[step.read[0].number, step.given["axis"]].append(step)
    found: dict[int, GraphStep] = {}
    for (_, axis), parts in slices.items():
        ordered = sorted(parts, key=lambda step: int(step.given["start"]))
        if _are_equal_parts(ordered, axis):
            made = tuple(step.made[0] for step in ordered)
            values = sum(step.values for step in ordered)
            given = {"count": len(ordered), "axis": axis}
            chunk = replace(ordered[0], call="chunk", made=made, given=given, values=values)
            found |= dict.fromkeys(made, chunk)
    return found


def _are_equal_parts(ordered: Sequence[GraphStep], axis: int) -> bool:
    value = ordered[0].read[0]
    assert isinstance(value, ComputedValue), "asked before"
    size = value.shape[axis]
    if not isinstance(size, int) or len(ordered) < 2 or size % len(ordered):
        return False
    each = size // len(ordered)
    ends = [(step.given["start"], step.given["stop"] or size) for step in ordered]
    return ends == [(at * each, (at + 1) * each) for at in range(len(ordered))]
