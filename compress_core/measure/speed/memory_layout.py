"""Put a network elsewhere in memory: where weights lie decides how fast it runs, by up to a tenth."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

_PIECES = 64
_GAP = 2**8  # numbers at most between two tensors


def moved(networks: Sequence[nn.Module], generator: random.Random) -> list[Tensor]:
    """Copy all weights and buffers to other places, in place of the old ones; the values of any shape stay.

    What is returned lies between them and has to be kept as long as they are used. Only for a process of
    one's own: whoever else holds these networks would see their tensors replaced.
    """
    kept = _pieces(generator)
    for network in networks:
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.layout == torch.strided:
                tensor.data = tensor.data.clone()
                kept.append(torch.empty(generator.randrange(1, _GAP)))
    return kept


def _pieces(generator: random.Random) -> list[Tensor]:
    """Pieces of random sizes, every other one given back, so that the next allocation falls between them."""
    sizes = [int(2 ** generator.uniform(8, 19)) for _ in range(_PIECES)]
    return [torch.empty(size) for size in sizes][::2]
