"""Runs that differ only by their seed: found in the tree of models, and put together with their spread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from compress_core.foundation.store import digest
from compress_core.foundation.workspace.json_text import as_text
from compress_core.foundation.workspace.model_tree import KnownModel

SEED, RUNS = "seed", "runs"
_LOW, _HIGH = ".low", ".high"


def run_of_each(models: Iterable[KnownModel]) -> Mapping[str, str]:
    """For each model a digest of all that was done to it but for seeds: runs that differ by them share it.

    models: of one subject, in any order, with all on the way to each.
    """
    by_key = {model.key: model for model in models}
    return {key: digest("run", *(_seedless(model) for model in _line(key, by_key))) for key in by_key}


def _line(key: str, by_key: Mapping[str, KnownModel]) -> Iterable[KnownModel]:
    model: KnownModel | None = by_key[key]
    while model is not None:
        yield model
        model = None if model.parent is None else by_key.get(model.parent)


def _seedless(model: KnownModel) -> str:
    return model.key if model.parent is None else as_text(_without_seed(model.operation))


def _without_seed(value: Any) -> Any:
    match value:
        case Mapping():
            return {name: _without_seed(inner) for name, inner in value.items() if name != SEED}
        case list() | tuple():
            return [_without_seed(inner) for inner in value]
    return value


def seeds_together(table: pd.DataFrame, runs: Mapping[str, str]) -> pd.DataFrame:
    """A table of models with a row for each run, in the order of its first model, and a column `runs`.

    table: as `model_table` gives it. Of several seeds each number is the mean of those that were measured,
    its low and high are the lowest and the highest of them, and all else is that of the first model.
    """
    names = pd.Series([runs.get(key, key) for key in table["key"]], index=table.index, dtype=object)
    counts = names.map(names.value_counts())
    rows = table[~names.duplicated()].copy()
    for column in (c.removesuffix(_LOW) for c in table.columns if c.endswith(_LOW)):
        several = (counts > 1)[rows.index]
        by_run = table[column].groupby(names, sort=False)
        ends = {"": by_run.mean(), _LOW: by_run.min(), _HIGH: by_run.max()}
        for suffix, values in ends.items():
            found = names[rows.index].map(values.where(by_run.count() > 1) if suffix else values)
            rows[column + suffix] = rows[column + suffix].where(~several, found)
    return rows.assign(**{RUNS: counts[rows.index].astype(int)}).reset_index(drop=True)
