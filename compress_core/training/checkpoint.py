"""A training as it stands after an epoch: enough to go on to the same end, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from compress_core.apply.trained import TrainedWeights
from compress_core.foundation.number import Number
from compress_core.training.trainee import Kept


@dataclass(frozen=True)
class EpochFigures:
    """What is shown of an epoch, counted from 1.

    loss: mean over the training items, in the unit of the objective; score: by which the best epoch is kept,
    on validation items, of what would be stored; metric: the name of what it measures;
    sparsity: share of zeros of each weight; grown: weights that came back from zero, by their weight;
    zero_units: units without a weight, by coupled group, where a method moves units; zero_inputs: share of
    zeros among what layers were given in the epoch, where a method asks what that is.
    """

    epoch: int
    loss: float
    learning_rate: float
    score: Number
    metric: str
    sparsity: Mapping[str, float]
    grown: Mapping[str, int]
    zero_units: Mapping[str, int] = field(default_factory=dict)
    zero_inputs: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values, as a job tells them while it runs."""
        told = {"epoch": self.epoch, "loss": self.loss, "learning_rate": self.learning_rate}
        beside = {"sparsity": dict(self.sparsity), "grown": dict(self.grown)}
        asked = {"zero_units": dict(self.zero_units), "zero_inputs": dict(self.zero_inputs)}
        counted = {name: counts for name, counts in asked.items() if counts}
        judged = {"metric": self.metric, "score": self.score.as_json()}
        return {**told, **judged, **beside, **counted}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """learned and optimizer: what learns and the optimizer's averages, by weight and name; masks, by weight.

    state: parameters beside the weights, and buffers; early: what a method may go back to; best: what the
    training would give now, of best_epoch.
    """

    history: tuple[EpochFigures, ...]
    learned: Mapping[str, Mapping[str, Tensor]]
    masks: Mapping[str, Tensor]
    state: Mapping[str, Tensor]
    optimizer: tuple[Mapping[str, Tensor], ...]
    best: TrainedWeights
    best_epoch: int
    early: Kept | None = None

    @property
    def epochs(self) -> int:
        """How many epochs are done."""
        return len(self.history)
