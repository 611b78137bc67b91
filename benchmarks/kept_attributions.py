"""Does a pruned network look at what its parent looks at: trained on labels alone, and keeping its maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from torch import Tensor, nn

from benchmarks.networks import Size
from benchmarks.trained_models import pooled_text, right, seeds, split_of, trained
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.measure.explain.asked_answer import predicted_class
from compress_core.measure.explain.attribution import attribute, method_named
from compress_core.measure.explain.explanation import (
    NOISE_STRENGTH,
    noisy,
    with_shuffled_weights,
)
from compress_core.measure.explain.similarity import similarity_frame, support_of
from compress_core.measure.speed.rounds import Spread
from compress_core.numerics.arrays import Floats
from compress_core.recipe.reading import parse_recipe
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject

MODEL, SPARSITY, ITEMS, STRENGTH = "lenet5", 0.95, 6000, 1.0
PRUNED = {"technique": "magnitude", "sparsity": SPARSITY, "scope": "network"}
PLAN = {"epochs": 2, "learning_rate": 2e-3}
METHODS: Mapping[str, list[Any]] = {
    "fine_tune": ["fine_tune"],
    "fine_tune, keep_attributions": ["fine_tune", {"method": "keep_attributions", "strength": STRENGTH}],
}
MEASURES = ("spearman", "cosine")


def lines(size: Size) -> Iterator[str]:
    """Accuracy, and how like the parent's the maps are: an item counts once, with its mean over the seeds."""
    store, subject = Store(), load_sample(MODEL)
    pruned = compress(subject, parse_recipe({"layers": [{"match": "*", "steps": [PRUNED]}]}), store)
    split, items = split_of(subject, "test", size), subject.split("training").first(ITEMS)
    medians = " | ".join(f"median {measure}" for measure in MEASURES)
    yield f"| {MODEL}, {SPARSITY:.0%} zeros, {ITEMS:,} items | test | {medians} | CPU seconds |"
    yield "| --- | --- | --- | --- | --- |"
    yield _line("pruned", right([pruned], "test", size, store), alike([pruned], split))
    found: list[tuple[Floats, pd.DataFrame]] = []
    for name, methods in METHODS.items():
        plans = [{**PLAN, "seed": seed, "methods": methods} for seed in seeds(size)]
        outcomes = [trained(pruned, plan, size, store, items) for plan in plans]
        models, seconds = [each.model for each in outcomes], sum(each.seconds for each in outcomes)
        found.append((right(models, "test", size, store), alike(models, split)))
        yield _line(name, *found[-1], f"{seconds:.0f}")
    (plain, plain_maps), (kept, kept_maps) = found
    points, apart = pooled_text(kept - plain, unit=" points", sign="+"), _medians(kept_maps - plain_maps, "+")
    yield f"| the second less the first, item by item | {points} | {apart} | |"
    for name, bound in _bounds(subject, split).items():
        yield f"| {name} | | {_medians(bound)} | |"


def _line(name: str, test: Floats, similar: pd.DataFrame, seconds: str = "") -> str:
    return f"| {name} | {pooled_text(test)} | {_medians(similar)} | {seconds} |"


def _medians(similar: pd.DataFrame, sign: str = "") -> str:
    """The median of each measure over the items, with the interval of order statistics."""
    spreads = (Spread.of(similar[measure].dropna().tolist()) for measure in MEASURES)
    return " | ".join(f"{s.middle:{sign}.3f} ({s.low:{sign}.3f} to {s.high:{sign}.3f})" for s in spreads)


def alike(models: list[Model], split: Split) -> pd.DataFrame:
    """How alike the maps of each item are to the parent's on the support, the mean over the models."""
    subject = models[0].subject
    before = _maps(subject, subject.network, split.inputs)
    frames = [_similar(subject, split, before, _maps(subject, m.network(), split.inputs)) for m in models]
    return pd.concat(frames).groupby(level=0).mean()


def _bounds(subject: Subject, split: Split) -> Mapping[str, pd.DataFrame]:
    """The parent against itself with a little noise, and against its own weights in random order."""
    network, inputs = subject.network, split.inputs
    support = support_of(inputs, subject.input.baseline)
    shaken = noisy(inputs, support, NOISE_STRENGTH * float(inputs.std()), seed=0)
    before = _maps(subject, network, inputs)
    others = {
        "noise ceiling": _maps(subject, network, inputs, shaken),
        "random floor": _maps(subject, with_shuffled_weights(network, seed=0), inputs),
    }
    return {name: _similar(subject, split, before, maps) for name, maps in others.items()}


def _maps(subject: Subject, network: nn.Module, inputs: Tensor, shown: Tensor | None = None) -> Tensor:
    """Saliency [N, *size] for the class that the parent answers with."""
    seen = inputs if shown is None else shown
    targets = predicted_class(subject.network, inputs)
    return attribute(network, seen, targets, method_named("saliency"), subject.input.baseline)


def _similar(subject: Subject, split: Split, before: Tensor, after: Tensor) -> pd.DataFrame:
    support = support_of(split.inputs, subject.input.baseline)
    return similarity_frame(before.numpy(), after.numpy(), support)[list(MEASURES)]
