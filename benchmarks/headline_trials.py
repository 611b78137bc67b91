"""What is tried for the headline: which channels stay, how many levels, and what a bit costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Trial:
    """A way to a small network; shares: what is removed of each group first, by magnitude.

    strength: what a bit costs; the network begins as the sample and learns from its answers to the training
    items and to so many distorted copies of each.
    """

    shares: Mapping[str, float]
    strength: float
    epochs: int
    copies: int = 0
    learning_rate: float = 2e-3

    @property
    def name(self) -> str:
        """Short, and different for each trial of a network."""
        kept = " ".join(f"{name} {1 - share:.0%}" for name, share in self.shares.items())
        copies = f", {self.copies} distorted copies" if self.copies else ""
        return f"{kept or 'whole'}, strength {self.strength:g}{copies}"

    @property
    def methods(self) -> tuple[str, ...]:
        return ("distill", "rate_aware")

    @property
    def recipe(self) -> dict[str, Any]:
        """Groups are cut for real; eight levels for each weight that stays, one step a layer."""
        groups = [
            {"match": name, "steps": [{"technique": "magnitude", "share_removed": share}]}
            for name, share in self.shares.items()
        ]
        rounded = {"technique": "uniform", "bits": 3, "granularity": "per_tensor"}
        return {"groups": groups, "layers": [{"match": "*", "steps": [rounded]}]}

    @property
    def plan(self) -> dict[str, Any]:
        """Knobs of the training and of both methods."""
        knobs = {"epochs": self.epochs, "batch_size": 256, "learning_rate": self.learning_rate}
        return {**knobs, "strength": self.strength, "bias_bits": 5}


@dataclass(frozen=True)
class HeadlineNetwork:
    """A network's trials, and the error in % that the small one may have."""

    name: str
    most_error: float
    trials: tuple[Trial, ...]


_LENET300, _LENET300_WIDER = {"fc1": 0.6, "fc2": 0.5}, {"fc1": 0.5, "fc2": 0.5}
_LENET5 = {"conv1": 0.6, "conv2": 0.68, "fc1": 0.9}
_LENET5_WIDER = {"conv1": 0.4, "conv2": 0.5, "fc1": 0.8}
NETWORKS = {
    "lenet300": HeadlineNetwork(
        "lenet300",
        1.9,
        (
            Trial({}, strength=0.3, epochs=4, copies=2, learning_rate=1e-3),
            Trial({}, strength=0.45, epochs=6, copies=2, learning_rate=1e-3),
            Trial(_LENET300_WIDER, strength=0.2, epochs=5, copies=2),
            Trial(_LENET300, strength=0.3, epochs=12),
            Trial(_LENET300, strength=2.0, epochs=14),
            Trial(_LENET300, strength=3.0, epochs=12),
        ),
    ),
    "lenet5": HeadlineNetwork(
        "lenet5",
        1.0,
        (
            Trial(_LENET5_WIDER, strength=0.15, epochs=3, copies=2),
            Trial(_LENET5, strength=0.5, epochs=8),
            Trial(_LENET5, strength=0.65, epochs=16),
            Trial(_LENET5, strength=0.8, epochs=16),
        ),
    ),
}
