"""Items to train on: many, so that they are read when something trains and not before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compress_core.foundation.cached import cached_property
from compress_core.subject.split import Split

TRAINING = "training"


@dataclass(frozen=True, eq=False)
class TrainingItems:
    """count items that digest tells; read makes a split of them, inputs [N, ...] prepared and labels [N]."""

    digest: str
    count: int
    read: Callable[[], Split]

    @cached_property
    def split(self) -> Split:
        """The items, read once."""
        return self.read()

    @property
    def nbytes(self) -> int:
        """Bytes that are held before the items are read."""
        return 0

    @classmethod
    def of(cls, split: Split) -> TrainingItems:
        """Items that are in memory already."""
        return cls(split.digest, len(split), lambda: split)
