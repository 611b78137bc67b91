"""Ways to train one model, each from several seeds: their answers pooled, and beside those of the first.

An item [N] counts once, with the share of the seeds that answer it rightly; intervals are of the mean over
items. So they speak of other items with these seeds; how far seeds lie apart is shown beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks.networks import Size
from benchmarks.trained_models import Outcome, pooled_text, right, seeds
from compress_core.foundation.store import Store
from compress_core.numerics.arrays import Floats

Train = Callable[[Mapping[str, Any], int], Outcome]
"""A method as plain values and a seed -> what training by it gave."""


def rows(methods: Mapping[str, Mapping[str, Any]], train: Train, size: Size, store: Store) -> Iterator[str]:
    """A line for each method: validation, test, seed by seed, and the paired difference to the first."""
    first: Floats | None = None
    for name, method in methods.items():
        found = [train(method, seed) for seed in seeds(size)]
        models = [each.model for each in found]
        validation, test = (right(models, split, size, store) for split in ("validation", "test"))
        apart = ", ".join(f"{right([model], 'test', size, store).mean():.2%}" for model in models)
        beside = "" if first is None else pooled_text(test - first, unit="", sign="+")
        first = test if first is None else first
        seconds, pooled = (
            sum(each.seconds for each in found),
            f"{pooled_text(validation)} | {pooled_text(test)}",
        )
        yield f"| {name} | {pooled} | {apart} | {beside} | {seconds:.0f} |"


def head(what: str, first: str) -> tuple[str, str]:
    """The two lines over the table; first: the name of what the others are compared with."""
    columns = f"{what} | validation | test | test, each seed | over {first}, points, test | CPU seconds"
    return f"| {columns} |", "| --- | --- | --- | --- | --- | --- |"
