"""The explanation of both models as JSON and as a table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from compress_core.cli import show
from compress_core.cli.content import headline
from compress_core.cli.loading import Case
from compress_core.measure.attribution import method_named
from compress_core.measure.explain import Explanation, explain
from compress_core.measure.number import Number
from compress_core.measure.similarity import MEASURES

if TYPE_CHECKING:
    from collections.abc import Generator

    from compress_core.progress import Progress

WORST = 5
_GROUPS = ("all", "kept", "flipped", "noise floor", "random floor")


def explained(case: Case, method: str, count: int, seed: int) -> dict[str, Any]:
    """Similarity of the maps before and after over a sample of items, with the items that changed most."""
    asked, split = method_named(method), case.split
    places = sample_of(len(split), count, seed)
    work = explain(
        case.subject.network,
        case.model.network(),
        split.inputs[places],
        asked,
        case.subject.input.baseline,
        seed=seed,
    )
    found = _with_progress(work)
    return {
        "model": case.subject.name,
        "split": case.chosen.split,
        "data": None if case.chosen.items is None else str(case.chosen.items),
        "n": len(places),
        "recipe": {"sha": case.model.recipe.sha, **case.model.recipe.as_recipe().as_json()},
        "method": asked.name,
        "seed": seed,
        "similarity": [_summary_row(row) for row in found.summary().to_dict("records")],
        "worst": _worst(found, places, case.subject.classes),
    }


def sample_of(size: int, count: int, seed: int) -> list[int]:
    """Places of at most `count` of so many items, drawn without repetition, in their order."""
    drawn = np.random.default_rng(seed).permutation(size)[:count]
    return sorted(int(place) for place in drawn)


def _with_progress(work: Generator[Progress, None, Explanation]) -> Explanation:
    """Run it; a person at a terminal sees how far it is."""
    watched = sys.stderr.isatty()
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            if watched:
                typer.echo("\r\033[K", nl=False, err=True)
            found: Explanation = end.value
            return found
        if watched:
            typer.echo(f"\r\033[K{step.share:4.0%} {step.note}", nl=False, err=True)


def _summary_row(row: dict[Any, Any]) -> dict[str, Any]:
    n = int(row["n"])
    reason = row["reason"] or "No item belongs to this group."

    def similarity(name: str) -> dict[str, Any]:
        value = float(row[name])
        if np.isnan(value):
            return Number.missing("similarity", reason, n).as_json()
        return Number(value, "similarity", "measured", n=n).as_json()

    return {
        "measure": row["measure"],
        "group": row["group"],
        **{name: similarity(name) for name in ("median", "low_quartile", "high_quartile")},
        "not_measured": show.exact(int(row["not_measured"]), "item").as_json(),
    }


def _worst(found: Explanation, places: list[int], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """The items whose maps changed most; item is the place in the split."""

    def named(index: int) -> str | None:
        return classes[index] if index >= 0 else None

    return [
        {
            "item": places[int(row["item"])],
            "class_before": named(int(row["class_before"])),
            "class_after": named(int(row["class_after"])),
            "spearman": Number(float(row["spearman"]), "similarity", "measured", n=1).as_json(),
        }
        for row in found.worst(WORST).to_dict("records")
    ]


def print_explanation(case: Case, content: dict[str, Any]) -> None:
    """Medians with quartiles, a row for each measure and a column for each group of items."""
    typer.echo(headline(case))
    typer.echo(f"{content['method']} on {content['n']:,} of these items, seed {content['seed']}.\n")
    cells = {(row["measure"], row["group"]): row for row in content["similarity"]}
    rows = [[measure, *(_cell(cells[measure, group]) for group in _GROUPS)] for measure in MEASURES]
    show.print_table(("median (quartiles; N), measured", *(f">{group}" for group in _GROUPS)), rows)
    worst = [
        [
            str(row["item"]),
            show.value_of(Number(**row["spearman"])),
            f"{row['class_before']}",
            f"{row['class_after']}",
        ]
        for row in content["worst"]
    ]
    if worst:
        typer.echo("")
        show.print_table((">most changed item", ">spearman", "class before", "class after"), worst)


def _cell(row: dict[str, Any]) -> str:
    median, low, high = (Number(**row[name]) for name in ("median", "low_quartile", "high_quartile"))
    if median.value is None:
        return f"not measured (N 0): {median.reason}" if row["group"] == "all" else "not measured"
    return f"{show.value_of(median)} ({show.value_of(low)} to {show.value_of(high)}; {median.n})"
