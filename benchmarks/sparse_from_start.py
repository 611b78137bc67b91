"""Weights that change places while a sparse network learns, beside a random sparse network that stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.networks import Size
from benchmarks.pooled_seeds import head, rows
from benchmarks.trained_models import Outcome, trained
from compress_core.apply.model import Model
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample

MODEL, SPARSITY = "lenet300", 0.95
PLAN = {"start": "scratch", "epochs": 4, "learning_rate": 2e-3}  # one for all; none was looked for
STATIC = "static random"
METHODS: Mapping[str, Mapping[str, Any]] = {
    STATIC: {"method": "set", "share_replaced": 0},
    "set": {"method": "set"},
    "rigl": {"method": "rigl"},
    "srigl": {"method": "srigl"},
}


def lines(size: Size) -> Iterator[str]:
    """Each method from random weights, its answers pooled over the seeds, and against the static network."""
    store, model = Store(), Model.original(load_sample(MODEL))
    yield from head(f"{MODEL}, {SPARSITY:.0%} zeros, from scratch", STATIC)

    def train(method: Mapping[str, Any], seed: int) -> Outcome:
        plan = {**PLAN, "seed": seed, "methods": [{**method, "sparsity": SPARSITY}]}
        return trained(model, plan, size, store)

    yield from rows(METHODS, train, size, store)
