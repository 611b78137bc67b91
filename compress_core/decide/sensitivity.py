"""What each place of a network bears: really compressed alone, and measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compress_core.decide.family import Family
from compress_core.foundation.number import Number

if TYPE_CHECKING:
    from compress_core.recipe.values import Step


@dataclass(frozen=True)
class ScanPoint:
    """One place compressed alone to one degree, everything else as in the parent, and what came of it.

    place: a layer, or a coupled group (named by its first producer). value: the share removed (prune,
    structure), the rank, or the bits. steps: what was done to that place; model: the key of the model that
    was measured. kl: nats, the mean over the items of KL(parent || model); accuracy_change: points, on the
    same items; missing without labels. packed_bytes: the whole packed file of that model. parameters:
    weights of all layers that can be compressed which are stored and not zero. macs: of the whole network
    for one item, None where they cannot be counted.

    Where the step was refused, kl and accuracy_change say why, and the counts are those of the parent.
    """

    place: str
    family: Family
    value: float
    steps: tuple[Step, ...]
    model: str
    kl: Number
    accuracy_change: Number
    packed_bytes: int
    parameters: int
    macs: int | None

    @property
    def is_measured(self) -> bool:
        """Whether the step could be done and its model was run."""
        return self.kl.value is not None


@dataclass(frozen=True)
class Curve:
    """One place and one family: its points from the mildest to the hardest."""

    place: str
    family: Family
    points: tuple[ScanPoint, ...]


@dataclass(frozen=True)
class Sensitivity:
    """The curves of a scan, and on what they were measured.

    parent: the key of the model that was compressed further, subject: that of what was loaded; items:
    digest of the n items of the split. Points whose interval decided earlier were measured on fewer of
    them: each number says its own n.
    """

    parent: str
    subject: str
    split: str
    items: str
    n: int
    curves: tuple[Curve, ...]
