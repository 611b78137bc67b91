"""Ninety-eight of a hundred weights pruned at once, and the accuracy won back by training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.networks import Size
from benchmarks.trained_models import accuracy_text, trained
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.recipe.reading import parse_recipe

MODEL, SPARSITY = "lenet5", 0.98
PRUNED = {"technique": "magnitude", "sparsity": SPARSITY, "scope": "network"}
PLANS: tuple[Mapping[str, Any], ...] = (  # chosen on validation items; the second goes on from the first
    {"methods": ["distill", "rigl"], "epochs": 6, "learning_rate": 6e-3},
    {"methods": ["distill", "rigl"], "epochs": 4, "learning_rate": 4e-3},
)


def lines(size: Size) -> Iterator[str]:
    """The model as loaded, pruned at once, and trained with as few weights, which may change places."""
    yield f"| {MODEL}, {SPARSITY:.0%} unstructured | weights left | validation | test | CPU seconds |"
    yield "| --- | --- | --- | --- | --- |"
    store, subject = Store(), load_sample(MODEL)
    yield _line("as loaded", Model.original(subject), size, store)
    pruned = compress(subject, parse_recipe({"layers": [{"match": "*", "steps": [PRUNED]}]}), store)
    yield _line("pruned at once", pruned, size, store)
    model, epochs, seconds = pruned, 0, 0.0
    for plan in PLANS:
        found = trained(model, plan, size, store)
        model, epochs, seconds = found.model, epochs + found.epochs, seconds + found.seconds
    yield _line(f"distill and rigl, {epochs} epochs", model, size, store, f"{seconds:.0f}")


def _line(name: str, model: Model, size: Size, store: Store, seconds: str = "") -> str:
    on = " | ".join(accuracy_text(model, split, size, store) for split in ("validation", "test"))
    return f"| {name} | {_weights_left(model):,} | {on} | {seconds} |"


def _weights_left(model: Model) -> int:
    """The weights of layers that are not zero."""
    made = (part for layer in model.compressed.values() for _, part in layer.parts)
    whole = sum(layer.weights for layer in model.base.layers if layer.name not in model.compressed)
    return whole + sum(int(part.values.count_nonzero()) for part in made)
