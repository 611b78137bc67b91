"""How much memory the activations of one item take at most, and where."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.network.living_memory import living_memory


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
    living = living_memory(network, item)
    return PeakMemory(Number(float(living.peak), "B", "exact", n=1), living.place)
