"""The metrics, one file each; a new file is found without being listed anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from compress_core.foundation.number import Number
from compress_core.measure.behavior.metric import Metric, registered
from compress_core.measure.behavior.predictions import Predictions


@cache
def metrics() -> Mapping[str, Metric]:
    """Every metric by name."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return registered()


def numbers(after: Predictions, before: Predictions | None = None) -> dict[str, Number]:
    """Every metric of a model, by name; those against the original only where it is given."""
    return {
        name: metric(after, before)
        for name, metric in metrics().items()
        if before is not None or "before" not in metric.needs
    }
