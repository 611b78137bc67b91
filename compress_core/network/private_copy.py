"""Copies of a network that may be run, traced and edited at will and take little memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from compress_core.network.copied_tree import copied_tree, own_tensor
from compress_core.network.forward import doubled
from compress_core.network.layers.places import frozen

_SEED = 11
_SHIFT = 101  # a prime, so that equal shapes begin at other places of their rows
_PERIOD = 1_048_583  # another prime, so that no two rows of a weight begin at the same place
_FAN_OF_VECTORS = 25


def private_copy(network: nn.Module) -> nn.Module:
    """The network with parameters and buffers of its own, where only buffers take memory of their own."""
    return copied_tree(network, {id(values): _own(values) for values in network.parameters()}).eval()


def with_random_weights(network: nn.Module) -> nn.Module:
    """The network in float64 with random weights in place of its own.

    A dead or tiny trained channel would hide a wrong answer; random ones do not. Weights [out, ...] with
    equally many values for each output are parts of one row of random numbers, each with a beginning of its
    own, so that all of them need little more memory than the largest. Vectors have numbers of their own.
    """
    generator = torch.Generator().manual_seed(_SEED)
    own = [values for values in network.parameters() if values.is_floating_point()]
    random = _random([values.shape for values in own], generator)
    put = {id(old): new for old, new in zip(own, random, strict=True)}
    copied = copied_tree(network, put, lambda tensor: doubled(own_tensor(tensor)))
    for name, statistic in copied.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            statistic.copy_(0.5 + torch.rand(statistic.shape, generator=generator, dtype=statistic.dtype))
    return copied.eval()


def _own(values: Tensor) -> nn.Parameter:
    return frozen(values.detach().clone() if values.is_inference() else values)


def _random(shapes: Sequence[torch.Size], generator: torch.Generator) -> list[nn.Parameter]:
    """Random values in each shape, of deviation 1 / sqrt(values for each output); vectors around 0.5."""
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for index, shape in enumerate(shapes):
        alike[prod(shape[1:]) if len(shape) > 1 else 0].append(index)
    found: dict[int, Tensor] = {}
    for fan, same in alike.items():
        counts = [prod(shapes[index]) for index in same]
        starts = [_SHIFT * at if fan else sum(counts[:at]) for at in range(len(same))]
        length = max((start + count for start, count in zip(starts, counts, strict=True)), default=0)
        row = _row(length, generator)
        row = row.mul_(fan**-0.5) if fan else row.mul_(_FAN_OF_VECTORS**-0.5).add_(0.5)
        for index, start, count in zip(same, starts, counts, strict=True):
            found[index] = row[start : start + count].view(shapes[index])
    return [frozen(found[index]) for index in range(len(shapes))]


def _row(length: int, generator: torch.Generator) -> Tensor:
    """Random numbers [length], which begin anew after a million: no row of a weight is that long."""
    row = torch.empty(length, dtype=torch.float64)
    torch.randn(min(length, _PERIOD), generator=generator, out=row[:_PERIOD])
    for start in range(_PERIOD, length, _PERIOD):
        row[start : start + _PERIOD] = row[: min(_PERIOD, length - start)]
    return row
