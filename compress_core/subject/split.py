"""Items of one split: what a model is calibrated on, chosen on, or reported on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from compress_core.foundation.cached import cached_property

BATCH = 100  # what 250 images of 28 x 28 take in a small network no longer lies in a core's cache


@dataclass(frozen=True, eq=False)
class Split:
    """Items of one split, prepared: inputs [N, ...], labels [N] or None.

    part_of: what tells the items of a part, which are not looked at again for their digest.
    """

    name: str
    inputs: Tensor
    labels: Tensor | None
    part_of: str = ""

    def __len__(self) -> int:
        return len(self.inputs)

    @cached_property
    def digest(self) -> str:
        if self.part_of:
            return self.part_of
        content = hashlib.sha256(f"{tuple(self.inputs.shape)}".encode())
        content.update(np.ascontiguousarray(self.inputs.numpy()).data)
        if self.labels is not None:
            content.update(np.ascontiguousarray(self.labels.numpy()).data)
        return content.hexdigest()

    def first(self, count: int) -> Split:
        """The first items; itself where it has no more."""
        if count >= len(self):
            return self
        labels = None if self.labels is None else self.labels[:count]
        part_of = hashlib.sha256(f"{self.digest} {count}".encode()).hexdigest()
        return Split(self.name, self.inputs[:count], labels, part_of)

    def batches(self, rows: int = BATCH) -> Iterator[Tensor]:
        """Inputs [n, ...] in batches of a fixed size: the same split gives the same bits.

        rows: fewer where more would not fit into memory.
        """
        return iter(torch.split(self.inputs, rows))
