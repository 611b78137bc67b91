"""What every channel that a layer reads does over items: how often it is zero, how large it gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.network.calibrate import listening
from compress_core.network.forward import run_network, running_on
from compress_core.network.layers.unfold import channel_axis, reader_named
from compress_core.network.living_memory import rows_at_once
from compress_core.network.not_finite import is_finite, items_not_finite, reads_not_finite
from compress_core.network.quick_pooling import pooled_quickly

NEAR = 0.01
_BATCH = 32


@dataclass(frozen=True, eq=False)
class Channels:
    """One number for each channel of a layer's input, over all items and places; all [channels] float64.

    zero_share counts exact zeros; near_zero_share counts |x| up to `threshold`, the zeros included.
    count: how many values each channel had.
    """

    zero_share: Tensor
    near_zero_share: Tensor
    mean: Tensor
    mean_absolute: Tensor
    std: Tensor
    smallest: Tensor
    largest: Tensor
    norm: Tensor
    threshold: float
    count: int

    @property
    def dead(self) -> Tensor:
        """Channels that were zero throughout [channels] bool: whatever makes them could be cut."""
        return self.zero_share == 1

    @property
    def nbytes(self) -> int:
        return 9 * self.mean.nbytes


@dataclass
class _Sums:
    """Running sums of one layer; the threshold is set by its first batch."""

    threshold: float = -1.0
    count: int = 0
    is_finite: bool = True
    of: dict[str, Tensor] = field(default_factory=dict)

    def add(self, rows: Tensor) -> None:
        """rows [channels, values] float64."""
        if self.threshold < 0:
            self.threshold = NEAR * float(rows.square().mean().sqrt())
        size = rows.abs()
        found = {
            "zero": (size == 0).sum(dim=1),
            "near": (size <= self.threshold).sum(dim=1),
            "sum": rows.sum(dim=1),
            "size": size.sum(dim=1),
            "square": rows.square().sum(dim=1),
        }
        self.of |= {k: v if k not in self.of else self.of[k] + v for k, v in found.items()}
        low, high = rows.aminmax(dim=1)
        self.of["low"] = torch.minimum(self.of.get("low", low), low)
        self.of["high"] = torch.maximum(self.of.get("high", high), high)
        self.count += rows.shape[1]
        self.is_finite = self.is_finite and is_finite(rows)

    def told(self) -> Channels:
        mean = self.of["sum"] / self.count
        variance = (self.of["square"] / self.count - mean.square()).clamp_min(0)
        return Channels(
            zero_share=self.of["zero"].double() / self.count,
            near_zero_share=self.of["near"].double() / self.count,
            mean=mean,
            mean_absolute=self.of["size"] / self.count,
            std=variance.sqrt(),
            smallest=self.of["low"],
            largest=self.of["high"],
            norm=self.of["square"].sqrt(),
            threshold=self.threshold,
            count=self.count,
        )


@dataclass(frozen=True, eq=False)
class ChannelsRead:
    """What layers read, and why some were left out: a sentence by the name of the layer."""

    by_layer: Mapping[str, Channels]
    left_out: Mapping[str, Refused]

    def of(self, name: str) -> Channels:
        """What one layer reads; raises Refused with the reason where it was left out."""
        if name in self.left_out:
            raise self.left_out[name]
        return self.by_layer[name]

    @property
    def nbytes(self) -> int:
        return 4096 + sum(told.nbytes for told in self.by_layer.values())


def channels_read(network: nn.Module, names: Iterable[str], items: Tensor) -> ChannelsRead:
    """What the named layers read, in one pass of the items [N, ...]; the caller owns the network."""
    modules: dict[str, nn.Module] = {}
    left_out: dict[str, Refused] = {}
    for name in names:
        try:
            modules[name] = reader_named(network, name)
        except Refused as reason:
            left_out[name] = reason
    sums = {module: _Sums() for module in modules.values()}

    def hear(module: nn.Module, given: Tensor) -> None:
        rows = given.movedim(channel_axis(module), 0).flatten(1).double()
        if rows.numel():
            sums[module].add(rows)

    rows = rows_at_once(network, items, _BATCH)
    with torch.no_grad(), pooled_quickly(), listening(sums, hear):
        for batch in torch.split(items, rows):
            with running_on(batch):
                run_network(network, batch)
    told = {module: total.told() for module, total in sums.items() if total.count and total.is_finite}
    unread = {name: module for name, module in modules.items() if module not in told}
    on_items = items_not_finite(network, [m for m in sums if not sums[m].is_finite], items)
    for name, module in unread.items():
        left_out[name] = (
            reads_not_finite(name, on_items[module], len(items))
            if module in on_items
            else Refused("{layer} did not run on the items, so it read nothing.", layer=name)
        )
    by_layer = {name: told[module] for name, module in modules.items() if module in told}
    return ChannelsRead(by_layer, left_out)


def channel_activity(
    network: nn.Module, names: Iterable[str], items: Tensor
) -> Mapping[str, tuple[Tensor, Tensor]]:
    """For each named layer (mean |x|, share of zeros) of every channel that it reads, [channels] each.

    The caller owns the network. Raises Refused for a layer that reads no channels, or nothing at all.
    """
    wanted = tuple(names)
    read = channels_read(network, wanted, items)
    return {name: (read.of(name).mean_absolute, read.of(name).zero_share) for name in wanted}
