"""The explanation of both models as JSON and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import typer

from compress_core.apply.lineage import lineage_as_json
from compress_core.cli import printing
from compress_core.cli.loading import Case
from compress_core.cli.numbers_json import headline
from compress_core.foundation.number import Number
from compress_core.measure.behavior.flips import flips_named
from compress_core.measure.explain.asked_answer import AskedKind
from compress_core.measure.explain.attribution import method_named
from compress_core.measure.explain.explanation import Explanation
from compress_core.subject.split import Split
from compress_core.tasks.explain_items import ExplainKnobs, ManyExplained, run

WORST = 5


def explained(
    case: Case, method: str, count: int, seed: int, only: str | None, value: int | None = None
) -> dict[str, Any]:
    """Similarity of the maps before and after on the items the page would draw, and the worst of them."""
    asked = method_named(method).name
    flips = None if only is None else flips_named(only)
    knobs = ExplainKnobs(method=asked, split=case.chosen.split, items=count, only=flips, value=value)
    found = printing.with_progress(run(case.model, knobs, seed, case.store))
    return {
        "model": case.subject.name,
        "split": found.split,
        "data": None if case.chosen.items is None else str(case.chosen.items),
        "n": len(found.chosen),
        "only": only,
        "drawn_from": printing.exact(found.drawn_from, "item").as_json(),
        "recipe": {"sha": case.model.recipe.sha, **case.model.recipe.as_recipe().as_json()},
        "lineage": lineage_as_json(case.model.lineage),
        "method": asked,
        "asked": _asked(found.explanation),
        "seed": seed,
        "place": {"before": found.explanation.place_before, "after": found.explanation.place_after},
        "completeness_gap": _gaps(found),
        "similarity": [_summary_row(row) for row in found.explanation.summary().to_dict("records")],
        "worst": _worst(found, case.subject.classes, case.subject.split(found.split)),
    }


def _asked(explanation: Explanation) -> dict[str, Any]:
    """What of the answers is explained."""
    number = explanation.value if explanation.asked is AskedKind.VALUE else None
    return {"answer": explanation.asked.value, "index": number}


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
        "draws": printing.exact(int(row["draws"]), "network").as_json(),
        **{name: similarity(name) for name in ("lowest", "highest")},
        "not_measured": printing.exact(int(row["not_measured"]), "item").as_json(),
    }


def _gaps(found: ManyExplained) -> dict[str, Any]:
    """The largest share of the score's change that a map leaves out, and the points it took."""
    items, said = found.explanation.items, {}
    for side in ("before", "after"):
        largest = float(items[f"gap_{side}"].max())
        steps = printing.exact(int(items[f"steps_{side}"].max()), "step")
        number = (
            Number.missing("share", "Maps of this method need not add up.", len(items))
            if np.isnan(largest)
            else Number(largest, "share", "measured", n=len(items))
        )
        said[side] = {"largest": number.as_json(), "most_steps": steps.as_json()}
    return said


def _worst(found: ManyExplained, classes: tuple[str, ...], split: Split) -> list[dict[str, Any]]:
    """The items whose maps changed most: their numbers in the split, and in the file where others."""

    def named(index: int) -> str | None:
        return classes[index] if index >= 0 else None

    def said(row: dict[Any, Any]) -> dict[str, Any]:
        if found.explanation.asked.is_chosen:
            return {name: named(int(row[name])) for name in ("class_before", "class_after")}
        unit = "cosine" if found.explanation.asked is AskedKind.VECTOR else "value"
        return {
            name: Number(float(row[name]), unit, "measured", n=1).as_json()
            if np.isfinite(row[name])
            else Number.missing(unit, "The answer is not finite.", 1).as_json()
            for name in ("answer_before", "answer_after")
        }

    return [
        {
            "item": (item := int(found.chosen[int(row["item"])])),
            "file_item": split.number_in_file(item),
            **said(row),
            "spearman": Number(float(row["spearman"]), "similarity", "measured", n=1).as_json(),
        }
        for row in found.explanation.worst(WORST).to_dict("records")
    ]


def print_explanation(case: Case, content: dict[str, Any]) -> None:
    """A row for each measure and group of items, then the items that changed most."""
    typer.echo(headline(case))
    whose = "" if content["only"] is None else f" ({content['only']}: {content['drawn_from']['value']:,.0f})"
    typer.echo(f"{content['method']} on {content['n']:,} of these items{whose}, seed {content['seed']}.")
    typer.echo(f"{_what_is_asked(**content['asked'])}\n")
    heads = ("measure", "items", ">median", ">quartiles", ">N", "how")
    printing.print_table(heads, [_cells(row) for row in content["similarity"]])
    for sentence in _made(content):
        typer.echo(sentence)
    print_worst(content)


def print_worst(content: dict[str, Any]) -> None:
    """The items whose maps changed most, with what both models say of them."""
    rows = content["worst"]
    if not rows:
        return
    said = "class" if "class_before" in rows[0] else "answer"
    align = "" if said == "class" else ">"

    def word(value: Any) -> str:
        return printing.value_of(Number(**value)) if isinstance(value, dict) else f"{value}"

    cells = [
        [
            _number(row),
            printing.value_of(Number(**row["spearman"])),
            *(word(row[f"{said}_{side}"]) for side in ("before", "after")),
        ]
        for row in rows
    ]
    typer.echo("")
    heads = (">most changed item", ">spearman", f"{align}{said} before", f"{align}{said} after")
    printing.print_table(heads, cells)


def _number(row: dict[str, Any]) -> str:
    item, number = row["item"], row["file_item"]
    return f"{item}" if number is None else f"{item} ({number} in the file)"


def _what_is_asked(answer: str, index: int | None) -> str:
    return {
        "class": "Both models are asked about the class that the original predicts.",
        "label": "Both models are asked about the label that the original is surest of.",
        "value": f"Both models are asked about value {index} of their answer.",
        "vector": "Both models are asked for the cosine with the original's own vector of the item.",
    }[answer]


def _made(content: dict[str, Any]) -> Iterator[str]:
    """How the random floor and the maps were made, a sentence each."""
    floor = next(row for row in content["similarity"] if row["group"] == "random floor")
    low, high, draws = (Number(**floor[name]) for name in ("lowest", "highest", "draws"))
    yield (
        "\nNoise ceiling: the original against itself after tiny noise on the input; no more likeness than "
        "that can be expected."
    )
    yield (
        f"Random floor: the median of {printing.value_of(draws)} networks with shuffled weights; "
        f"{floor['measure']} from {printing.value_of(low)} to {printing.value_of(high)}."
    )
    if content["place"]["before"]:
        yield (
            f"Feature maps: what {content['place']['before']} puts out in the original, "
            f"{content['place']['after']} after."
        )
    for side, said in content["completeness_gap"].items():
        gap = Number(**said["largest"])
        if gap.value is not None:
            yield (
                f"The maps {side} compression leave out at most {100 * gap.value:.1f} % of the score's "
                f"change, with up to {printing.value_of(Number(**said['most_steps']))} points."
            )


def _cells(row: dict[str, Any]) -> list[str]:
    median, low, high = (Number(**row[name]) for name in ("median", "low_quartile", "high_quartile"))
    quartiles = "" if low.value is None else f"{printing.value_of(low)} to {printing.value_of(high)}"
    named = [row["measure"], row["group"]]
    return [*named, printing.value_of(median), quartiles, f"{median.n:,}", printing.how_of(median)]
