"""Tensors that lie in one memory: counted once, stored once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.network.multiplications import span_of


@dataclass(frozen=True)
class MemoryView:
    """A tensor that lies in the memory of another one, such as its transpose or some of its rows.

    shape, stride and offset as torch counts them, from the first value of the other one.
    """

    of: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    def seen_in(self, whole: Tensor) -> Tensor:
        """The view, in the memory of the tensor of any shape that it lies in."""
        return torch.as_strided(whole, self.shape, self.stride, whole.storage_offset() + self.offset)


def values_once(tensors: Iterable[Tensor]) -> int:
    """How many values tensors of any shape hold together, one that several of them reach counted once."""
    spans = sorted((*span_of(t), t.numel(), t.element_size()) for t in tensors if t.numel())
    total = reached = 0
    for start, end, count, size in spans:
        new = max(0, end - max(start, reached)) // size
        total += count if start >= reached else min(count, new)
        reached = max(reached, end)
    return total


def views_in(tensors: Mapping[str, Tensor]) -> Mapping[str, MemoryView]:
    """Those of named tensors that lie wholly within another one in plain order, and where."""
    together: defaultdict[int, list[str]] = defaultdict(list)
    for name, tensor in tensors.items():
        if tensor.layout is torch.strided and tensor.numel():
            together[tensor.untyped_storage().data_ptr()].append(name)
    return {
        name: view
        for names in together.values()
        if len(names) > 1
        for name, view in _views_in_one({name: tensors[name] for name in names}).items()
    }


def _views_in_one(tensors: Mapping[str, Tensor]) -> Mapping[str, MemoryView]:
    """The same for tensors of one storage: the largest in plain order holds the others."""
    plain = [name for name, tensor in tensors.items() if tensor.is_contiguous()]
    if not plain:
        return {}
    of = max(plain, key=lambda name: tensors[name].numel())
    whole = tensors[of]
    start, end = span_of(whole)
    return {
        name: MemoryView(of, tuple(t.shape), t.stride(), (span_of(t)[0] - start) // t.element_size())
        for name, t in tensors.items()
        if name != of and t.dtype == whole.dtype and start <= span_of(t)[0] and span_of(t)[1] <= end
    }
