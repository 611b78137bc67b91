"""Items of one split: what a model is calibrated on, chosen on, or reported on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.foundation.cached import cached_property

BATCH = 250


@dataclass(frozen=True, eq=False)
class Split:
    """Items of one split, prepared: inputs [N, ...], labels [N] or None."""

    name: str
    inputs: Tensor
    labels: Tensor | None

    def __len__(self) -> int:
        return len(self.inputs)

    @cached_property
    def digest(self) -> str:
        content = hashlib.sha256(f"{tuple(self.inputs.shape)}".encode())
        content.update(self.inputs.numpy().tobytes())
        if self.labels is not None:
            content.update(self.labels.numpy().tobytes())
        return content.hexdigest()

    def batches(self) -> Iterator[Tensor]:
        """Inputs [n, ...] in batches of a fixed size: the same split gives the same bits."""
        return iter(torch.split(self.inputs, BATCH))
