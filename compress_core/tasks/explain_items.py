"""Explain two models on items drawn at random, of all or of those that changed: maps, ceiling and floor."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import Field

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Strict
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.jobs.task import ResultFiles, Task
from compress_core.measure.behavior.evaluate import compare
from compress_core.measure.behavior.flips import Flips
from compress_core.measure.explain.asked_answer import AskedKind
from compress_core.measure.explain.asked_place import asked_places
from compress_core.measure.explain.attribution import method_named
from compress_core.measure.explain.explanation import Explanation, explain
from compress_core.subject.split import Split

_FRAMES = ("items", "noise", "random")
_REASON = "reason"
MOST_ITEMS = 4096


class ExplainKnobs(Strict):
    """Which method, on how many items of which split; only: of these flips instead of all items.

    value: which of a model's real numbers is explained.
    """

    method: str
    split: str = "validation"
    items: int = Field(ge=1, le=MOST_ITEMS)
    only: Flips | None = None
    value: int | None = Field(None, ge=0)


@dataclass(frozen=True, eq=False)
class ManyExplained:
    """An explanation of items that were drawn; chosen [N] says which items of the split they are.

    They were drawn from `drawn_from` items: the whole split, or those of its flips that `only` names.
    """

    explanation: Explanation
    chosen: NDArray[np.int64]
    split: str
    size_of_split: int
    drawn_from: int
    only: Flips | None = None


def chosen_items(size: int, wanted: int, seed: int) -> NDArray[np.int64]:
    """A random sample [n] without repeats, in the order of the split; all items where there are no more."""
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    chosen: NDArray[np.int64] = order[:wanted].sort().values.numpy()
    return chosen


def flipped_items(model: Model, split: Split, only: Flips, store: Store) -> NDArray[np.int64]:
    """The items of a split that changed their predicted class in this way [n], in its order.

    Raises Refused where there are none.
    """
    changed = only.of(compare(model, split, store).changed_items())
    if changed.empty:
        raise Refused(
            "No item of the {split} split changed its predicted class in this way, so there is nothing to "
            "explain: compress more, or choose other items.",
            split=split.name,
        )
    return np.unique(changed["item"].to_numpy(np.int64))


def run(
    model: Model, knobs: ExplainKnobs, seed: int, store: Store
) -> Generator[Progress, None, ManyExplained]:
    """Explain the original and the model on a random sample.

    Raises Refused where the method cannot, or no item is of the kind that was asked for.
    """
    subject, split = model.subject, model.subject.split(knobs.split)
    every = np.arange(len(split)) if knobs.only is None else flipped_items(model, split, knobs.only, store)
    chosen = every[chosen_items(len(every), knobs.items, seed)]
    inputs = split.inputs[torch.from_numpy(chosen)]
    method = method_named(knobs.method)
    places = asked_places(subject, split)
    work = explain(
        subject.network,
        model.network(),
        inputs,
        method,
        subject.input.baseline,
        seed=seed,
        at=None if places is None else places[torch.from_numpy(chosen)],
        answers=subject.answers,
        value=knobs.value,
    )
    return ManyExplained((yield from work), chosen, split.name, len(split), len(every), knobs.only)


def pack(found: ManyExplained) -> ResultFiles:
    """Maps and columns of numbers as arrays, reasons as JSON."""
    explanation = found.explanation
    arrays: dict[str, NDArray[Any]] = {
        "chosen": found.chosen,
        "before": explanation.before,
        "after": explanation.after,
        "support": explanation.support,
    }
    frames: dict[str, pd.DataFrame] = {name: getattr(explanation, name) for name in _FRAMES}
    for name, frame in frames.items():
        arrays |= {f"{name}.{c}": frame[c].to_numpy() for c in frame.columns if c != _REASON}
    facts = {
        "method": explanation.method,
        "seed": explanation.seed,
        "noise_deviation": explanation.noise_deviation,
        "place_before": explanation.place_before,
        "place_after": explanation.place_after,
        "asked": explanation.asked.value,
        "value": explanation.value,
        "split": found.split,
        "size_of_split": found.size_of_split,
        "drawn_from": found.drawn_from,
        "only": None if found.only is None else found.only.model_dump(mode="json"),
        "columns": {name: list(frame.columns) for name, frame in frames.items()},
        "reasons": {name: list(frame[_REASON]) for name, frame in frames.items()},
    }
    return ResultFiles(arrays, facts)


def unpack(packed: ResultFiles) -> ManyExplained:
    """The reverse of `pack`."""
    arrays, facts = packed.arrays, packed.facts
    items, noise, random = (_frame(name, packed) for name in _FRAMES)
    explanation = Explanation(
        method=facts["method"],
        seed=facts["seed"],
        noise_deviation=facts["noise_deviation"],
        before=arrays["before"],
        after=arrays["after"],
        support=arrays["support"],
        items=items,
        noise=noise,
        random=random,
        place_before=facts["place_before"],
        place_after=facts["place_after"],
        asked=AskedKind(facts.get("asked", AskedKind.CLASS.value)),
        value=facts.get("value", 0),
    )
    only = None if facts["only"] is None else Flips(**facts["only"])
    return ManyExplained(
        explanation, arrays["chosen"], facts["split"], facts["size_of_split"], facts["drawn_from"], only
    )


def _frame(name: str, packed: ResultFiles) -> pd.DataFrame:
    columns: dict[str, object] = {
        column: packed.arrays[f"{name}.{column}"]
        for column in packed.facts["columns"][name]
        if column != _REASON
    }
    return pd.DataFrame({**columns, _REASON: pd.Series(packed.facts["reasons"][name], dtype=object)})


EXPLAIN = Task("explain", ExplainKnobs, lambda knobs: (knobs.split,), run, pack, unpack)
