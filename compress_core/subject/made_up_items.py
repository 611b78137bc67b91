"""Items for a network that came without any."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.network.forward import takes
from compress_core.subject.subject import Subject


def made_up_items(subject: Subject, count: int, seed: int) -> Tensor:
    """So many items [count, *shape]: random numbers of a fixed seed, or else items without content.

    A network that reads words takes no random numbers; without content, all words are the first one.
    """
    drawn = subject.input.drawn(count, torch.Generator().manual_seed(seed))
    return drawn if takes(subject.network, drawn) else subject.input.baseline.expand_as(drawn).clone()
