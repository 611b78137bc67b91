"""A student of at most a twentieth of the parameters, with and without a teacher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.networks import Size
from benchmarks.pooled_seeds import head, rows
from benchmarks.trained_models import Outcome, trained
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.recipe.reading import parse_recipe

MODEL, MOST = "lenet5", 0.05
NARROW = {"groups": [{"match": "*", "steps": [{"technique": "magnitude", "share_removed": 0.8}]}]}
ITEMS, ALONE = 1000, "labels alone"
PLAN = {"start": "scratch", "epochs": 20, "batch_size": 32, "learning_rate": 3e-3}
METHODS: Mapping[str, Mapping[str, Any]] = {
    ALONE: {"method": "fine_tune"},
    "distill": {"method": "distill", "temperature": 8, "share": 1},
    "distill, decoupled": {"method": "distill", "divergence": "decoupled"},
}  # what they are given was chosen on validation items, with another seed


def lines(size: Size) -> Iterator[str]:
    """Students from random weights, pooled over the seeds, and what the teacher adds on the same items."""
    store, subject = Store(), load_sample(MODEL)
    student, items = compress(subject, parse_recipe(NARROW), store), subject.split("training").first(ITEMS)
    share = _parameters(student) / _parameters(Model.original(subject))
    assert share <= MOST, "a student is small"
    named = f"student of {MODEL}, {_parameters(student):,} parameters ({share:.1%}), {ITEMS:,} items"
    yield from head(named, ALONE)

    def train(method: Mapping[str, Any], seed: int) -> Outcome:
        return trained(student, {**PLAN, "seed": seed, "methods": [method]}, size, store, items)

    yield from rows(METHODS, train, size, store)


def _parameters(model: Model) -> int:
    return sum(parameter.numel() for parameter in model.network().parameters())
