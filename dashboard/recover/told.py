"""What a training tells of itself while it runs, and what it leaves, as tables for figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

Told = Mapping[str, Any]
EPOCH_COLUMNS = ("epoch", "loss", "learning_rate", "score", "low", "high", "n")
_SCORE = "score"


def epochs_of(figures: Iterable[Told]) -> pd.DataFrame:
    """A row for each epoch that is done, from 1; a number that was not measured is NaN."""
    rows = [_row(told) for told in figures if _SCORE in told]
    return pd.DataFrame(rows, columns=list(EPOCH_COLUMNS)).drop_duplicates("epoch", keep="last")


def _row(told: Told) -> tuple[object, ...]:
    measured = told[_SCORE]
    values = (float("nan") if measured[name] is None else measured[name] for name in ("value", "low", "high"))
    return (told["epoch"], told["loss"], told["learning_rate"], *values, measured["n"])


def steps_of(figures: Iterable[Told], epochs: int) -> pd.DataFrame:
    """The loss of steps over the epochs that they belong to, a part of one is done."""
    rows = [(epochs * told["step"] / told["steps"], told["loss"]) for told in figures if "step" in told]
    return pd.DataFrame(rows, columns=["epoch", "loss"])


def of_layers(figures: Iterable[Told], name: str) -> pd.DataFrame:
    """What each epoch tells of each layer under a name: index layers, columns epochs; empty for nothing."""
    told = {each["epoch"]: each.get(name) or {} for each in figures if _SCORE in each}
    return pd.DataFrame(told) if any(told.values()) else pd.DataFrame()


def is_worth_a_look(values: pd.DataFrame) -> bool:
    """Whether anything but zeros is told."""
    return not values.empty and bool((values.to_numpy() > 0).any())
