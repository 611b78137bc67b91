"""One pass of the items that several layers hear, each of them as if it were alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.giving_way import give_way
from compress_core.foundation.memory_budget import memory_budget
from compress_core.network.calibrate import LayerReads, listening, most_at_once
from compress_core.network.forward import run_network, running_on
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.unfold import columns, fused_attention, readers
from compress_core.network.living_memory import living_memory
from compress_core.network.not_finite import is_finite
from compress_core.network.quick_pooling import pooled_quickly
from compress_core.statistics import RunningSum


@dataclass(frozen=True, eq=False)
class SharedPass:
    """Layers that hear the same network on equally many items at a time, by the modules that read for them.

    So what each of them hears is, to the last bit, what `inputs_of` gives of it alone.
    """

    network: nn.Module
    items: Tensor
    readers: Mapping[str, tuple[nn.Module, ...]]
    rows: int

    @classmethod
    def of(cls, reads: LayerReads, others: Iterable[Layer]) -> SharedPass:
        """The pass in which a layer reads, with those of the others that read the same batches in it.

        Raises Refused where the layer cannot be heard, or a single item does not fit into memory.
        """
        network, layer, items = reads.network, reads.layer, reads.items
        replaced = fused_attention(network, layer)
        alike = [other for other in others if fused_attention(network, other) == replaced]
        found = {layer: readers(network, layer)}
        for other in alike:
            with suppress(Refused):  # it is left out, and says why to who asks for it
                found[other] = readers(network, other)
        living = living_memory(network, items[:1])

        def rows(of: Layer) -> int:
            return min(len(items), living.rows_within(memory_budget(), most_at_once(of)))

        together = {each.name: modules for each, modules in found.items() if rows(each) == rows(layer)}
        return cls(network, items, together, rows(layer))

    def hear(self, sums: Mapping[str, RunningSum]) -> frozenset[str]:
        """Run the items and add up what these layers read; the names of those that were measured.

        The others read nothing, or something that is NaN or infinite: their sums say nothing.
        """
        ears = {name: _Ear(total) for name, total in sums.items()}
        of: defaultdict[nn.Module, list[_Ear]] = defaultdict(list)
        for name, ear in ears.items():
            for module in dict.fromkeys(self.readers[name]):
                of[module].append(ear)

        def hear(module: nn.Module, given: Tensor) -> None:
            for ear in of[module]:
                ear.hear(module, given)

        for batch in torch.split(self.items, self.rows):
            give_way()
            with torch.no_grad(), pooled_quickly(), running_on(batch), listening(of, hear):
                run_network(self.network, batch)
        return frozenset(name for name, ear in ears.items() if ear.has_heard and ear.is_finite)


@dataclass
class _Ear:
    """Adds up what one layer reads until that is not finite."""

    total: RunningSum
    has_heard: bool = False
    is_finite: bool = True

    def hear(self, module: nn.Module, given: Tensor) -> None:
        self.is_finite = self.is_finite and is_finite(given)
        if self.is_finite:
            self.total.add(columns(module, given.double()))  # fewer numbers than unfolded
            self.has_heard = True
