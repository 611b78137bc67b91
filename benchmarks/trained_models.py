"""What studies of training share: a training to its end, and shares with their intervals as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np

from benchmarks.networks import FULL, Size
from compress_core.apply.model import Model
from compress_core.apply.trained import trained_model
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store, digest
from compress_core.measure.behavior.evaluate import predict
from compress_core.measure.behavior.metrics.accuracy import accuracy
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.arrays import Floats
from compress_core.numerics.mean_interval import of_mean
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.training.loop import train
from compress_core.training.plan import parse_plan
from compress_core.training.training_run import TrainingRun

SEEDS = (0, 1, 2)
_FEW, _FEWER = 256, 64


@dataclass(frozen=True, eq=False)
class Outcome:
    """A trained model, the epoch that validation chose, of how many, and the processor seconds it took."""

    model: Model
    epoch: int
    epochs: int
    seconds: float


def trained(
    model: Model, plan: Mapping[str, Any], size: Size, store: Store, items: Split | None = None
) -> Outcome:
    """Train a model by a plan on its training items, or on others; tiny: one epoch of a few."""
    subject = model.subject
    whole = subject.split("training") if items is None else items
    run = TrainingRun(
        model,
        parse_plan(plan if size == FULL else {**plan, "epochs": 1}),
        whole if size == FULL else whole.first(_FEW),
        split_of(subject, "validation", size),
    )
    began = process_time()
    found = result_of(train(run, store))
    seconds = process_time() - began
    key = digest("benchmark", model.key, run.operation.key)
    made = trained_model(model, run.operation, found.weights, key)
    return Outcome(made, found.epoch, len(found.history), seconds)


def seeds(size: Size) -> tuple[int, ...]:
    """The seeds of a study; tiny: the first."""
    return SEEDS if size == FULL else SEEDS[:1]


def split_of(subject: Subject, name: str, size: Size) -> Split:
    """The items of a split; tiny: a few."""
    split = subject.split(name)
    return split if size == FULL else split.first(_FEWER)


def answers(model: Model, split: str, size: Size, store: Store) -> Predictions:
    """What a model answers on a split."""
    return predict(model, split_of(model.subject, split, size), store)


def accuracy_text(model: Model, split: str, size: Size, store: Store) -> str:
    """The share of right answers on a split with its interval, as text."""
    return share_text(accuracy(answers(model, split, size, store)))


def share_text(number: Number) -> str:
    """A share in percent with its interval."""
    assert number.value is not None
    assert number.low is not None
    assert number.high is not None
    return f"{number.value:.2%} ({number.low:.2%} to {number.high:.2%})"


def right(models: list[Model], split: str, size: Size, store: Store) -> Floats:
    """How often each item [N] is answered rightly, as a share of the models: one for each seed."""
    found = [answers(model, split, size, store).correct for model in models]
    shares: Floats = np.mean([each for each in found if each is not None], axis=0, dtype=np.float64)
    return shares


def pooled_text(values: Floats, unit: str = " %", times: float = 100.0, sign: str = "") -> str:
    """The mean of values [N] with the interval of a mean, each item once, whatever the seeds behind it."""
    bounds, mean = of_mean(values), float(values.mean()) * times
    if bounds is None:
        return f"{mean:{sign}.2f}{unit} (no interval: all items alike)"
    low, high = (float(end) * times for end in bounds)
    return f"{mean:{sign}.2f}{unit} ({low:{sign}.2f} to {high:{sign}.2f})"
