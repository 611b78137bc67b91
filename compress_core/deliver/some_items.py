"""Items to try a written network on."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.subject.made_up_items import made_up_items
from compress_core.subject.subject import Subject

FEW = 4


def few_items(subject: Subject) -> Tensor:
    """A few items [4, *shape]: real ones, several times if need be.

    Where the subject has none, they are made up.
    """
    longest = max(subject.splits.values(), key=len, default=None)
    if longest is not None:
        return longest.inputs[torch.arange(FEW) % len(longest)]
    return made_up_items(subject, FEW, seed=0)
