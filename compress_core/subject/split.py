"""Items of one split: what a model is calibrated on, chosen on, or reported on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress_core.foundation.cached import cached_property
from compress_core.foundation.texts import Phrase

BATCH = 100  # what 250 images of 28 x 28 take in a small network no longer lies in a core's cache


@dataclass(frozen=True, eq=False)
class Split:
    """Items of one split, prepared: inputs [N, ...], labels [N] or None.

    part_of: what tells the items of a part, which are not looked at again for their digest. numbers [N]:
    those of the items in the file that they came from, where others were set apart; else None.
    """

    name: str
    inputs: Tensor
    labels: Tensor | None
    part_of: str = ""
    numbers: NDArray[np.int64] | None = None

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

    @cached_property
    def numbering(self) -> str:
        """What tells the numbers of its items in the file; empty where they are those of the split."""
        return "" if self.numbers is None else hashlib.sha256(self.numbers.tobytes()).hexdigest()

    def first(self, count: int) -> Split:
        """The first items; itself where it has no more."""
        if count >= len(self):
            return self
        labels = None if self.labels is None else self.labels[:count]
        part_of = hashlib.sha256(f"{self.digest} {count}".encode()).hexdigest()
        numbers = None if self.numbers is None else self.numbers[:count]
        return Split(self.name, self.inputs[:count], labels, part_of, numbers)

    def number_in_file(self, item: int) -> int | None:
        """What an item is called in the file that it came from; None where that is not another number."""
        return None if self.numbers is None or item >= len(self.numbers) else int(self.numbers[item])

    def told(self, item: int) -> Phrase:
        """Which item that is, for whoever holds the file: of which split, and its number there."""
        here = Phrase("item {item} of the {split} split", item=item, split=Phrase(self.name))
        number = self.number_in_file(item)
        return here if number is None else Phrase("{item} ({number} in the file)", item=here, number=number)

    def batches(self, rows: int = BATCH) -> Iterator[Tensor]:
        """Inputs [n, ...] in batches of a fixed size: the same split gives the same bits.

        rows: fewer where more would not fit into memory.
        """
        return iter(torch.split(self.inputs, rows))
