"""What tests of training share: the table sample with its own rows to train on, and a run to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.recipe.reading import parse_recipe
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.subject.training_items import TrainingItems
from compress_core.training.loop import Trained, train
from compress_core.training.plan import parse_plan
from compress_core.training.training_run import TrainingRun
from tests.subjects import loaded_sample

STORE = Store()


@lru_cache(maxsize=1)
def table() -> Subject:
    """The small sample of a table, whose calibration rows are those it was trained on."""
    subject = loaded_sample("tabular")
    rows = subject.split("calibration")
    items = TrainingItems.of(Split("training", rows.inputs, rows.labels))
    return replace(subject, training=items)


def compressed(*steps: Mapping[str, Any], subject: Subject | None = None) -> Model:
    """The table sample, or another, with these steps on every layer."""
    return compress(
        subject or table(), parse_recipe({"layers": [{"match": "*", "steps": list(steps)}]}), STORE
    )


def run_of(model: Model, **plan: Any) -> TrainingRun:
    """A training of a model by a plan of plain values."""
    subject = model.subject
    return TrainingRun(model, parse_plan(plan), subject.split("training"), subject.split("validation"))


def trained(model: Model, **plan: Any) -> Trained:
    """The end of a training; one epoch unless the plan says more."""
    return result_of(train(run_of(model, **{"epochs": 1, "batch_size": 32, **plan}), STORE))
