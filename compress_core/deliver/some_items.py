"""Items to try a written network on."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.subject.subject import Subject

FEW = 4


def few_items(subject: Subject) -> Tensor:
    """A few items [4, *shape], real ones where the subject has any, else random ones of a fixed seed."""
    for split in subject.splits.values():
        if len(split) >= FEW:
            return split.inputs[:FEW]
    return torch.randn(FEW, *subject.input.shape, generator=torch.Generator().manual_seed(0))
