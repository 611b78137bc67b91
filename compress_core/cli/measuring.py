"""What a recipe does: evaluate one model, compare it with its original, explain both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import (
    ItemsOption,
    LayersOption,
    MarginOption,
    MethodOption,
    ModelOptions,
    OnlyOption,
    SeedOption,
    ValueOption,
    about_a_model,
)
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number, about
from compress_core.measure.explain.methods import FIRST_METHOD

if TYPE_CHECKING:
    from compress_core.cli.loading import Case
    from compress_core.measure.behavior.class_changes import ClassNumbers
    from compress_core.measure.behavior.compare import Comparison, Verdict
    from compress_core.subject.split import Split


@about_a_model()
def evaluate(asked: ModelOptions) -> None:
    """Accuracy, calibration, size: as loaded or with a recipe."""
    from compress_core.cli.loading import open_case
    from compress_core.cli.numbers_json import evaluation, headline, numbers_of, print_unanswered, titled

    case = open_case(asked)
    numbers = numbers_of(case)
    if asked.as_json:
        printing.print_json(evaluation(case, numbers))
        return
    typer.echo(headline(case))
    print_unanswered(case)
    printing.print_table(printing.NUMBER_HEADS, printing.number_rows(titled(_telling(case, numbers))))


def _telling(case: Case, numbers: Mapping[str, Number]) -> Mapping[str, Number]:
    """The numbers that say something: a model as loaded has nothing to differ from."""
    from compress_core.measure.behavior.metric import metrics

    if case.model.is_changed:
        return numbers
    compared = {name for name, metric in metrics().items() if "before" in metric.needs}
    return {name: number for name, number in numbers.items() if name not in compared}


@about_a_model()
def compare(asked: ModelOptions, margin: MarginOption = None, layers: LayersOption = False) -> None:
    """The original against the compressed model, and who is hurt."""
    from compress_core.cli.loading import open_case
    from compress_core.cli.numbers_json import (
        evaluation,
        headline,
        numbers_of,
        print_layers,
        print_unanswered,
        titled,
    )
    from compress_core.measure.behavior.evaluate import compare as compared

    _check_there_are_steps(asked)
    case = open_case(asked)
    comparison, numbers = compared(case.model, case.split, case.store), numbers_of(case)
    verdict = comparison.no_loss() if margin is None else comparison.no_loss(margin)
    rows = per_class(comparison, case.subject.classes)
    if asked.as_json:
        added = {"original": _original(case), "verdict": _verdict(verdict), "per_class": rows}
        added |= {"per_class_intervals": _how_sure(rows)} if rows else {}
        reason = {} if comparison.has_labels else {"per_class_reason": "The items have no labels."}
        printing.print_json({**evaluation(case, numbers), **added, **reason})
        return
    typer.echo(headline(case))
    print_unanswered(case)
    printing.print_table(printing.NUMBER_HEADS, printing.number_rows(titled(numbers)))
    typer.echo(f"\n{_verdict_in_words(verdict, case.split, numbers['accuracy_change'])}\n")
    if rows:
        _print_classes(rows, _how_sure(rows))
    if layers:
        typer.echo()
        print_layers(case)


def _check_there_are_steps(asked: ModelOptions) -> None:
    if asked.recipe is None and not asked.steps and asked.trained is None:
        raise Refused(
            "There is no recipe to compare with: give a YAML file, - for standard input, "
            "--step 'fc1: magnitude sparsity=0.9', or --trained DIR."
        )


def _original(case: Case) -> printing.Content:
    from compress_core.apply.model import Model
    from compress_core.measure.behavior.evaluate import evaluate as evaluated
    from compress_core.measure.behavior.metric import told_metrics

    told = told_metrics(case.subject.answers.task)
    numbers = evaluated(Model.original(case.subject), case.split, case.store)
    alone = [name for name, metric in told.items() if "before" not in metric.needs]
    return {name: numbers[name].as_json() for name in (*alone, "bytes", "sparsity", "macs")}


def _verdict(verdict: Verdict) -> printing.Content:
    needed = printing.exact_or_missing(
        verdict.items_to_decide, "item", "No number of items is needed or decides."
    )
    if needed.value is not None:
        needed = Number(needed.value, "item", "estimated")
    return {
        "outcome": verdict.outcome,
        "margin": printing.exact(verdict.margin_points, "points").as_json(),
        "items_to_decide": needed.as_json(),
    }


def _verdict_in_words(verdict: Verdict, on: Split, change: Number) -> str:
    """The verdict and of how many items it is, or why there is none."""
    more = ""
    if verdict.items_to_decide is not None:
        more = (
            f"; with about {about(verdict.items_to_decide):,} items 9 of 10 reviews would decide (estimated)"
        )
    on_items = f"95 % confidence, {on.name} split, N = {len(on):,}"
    if verdict.outcome == "not measured":
        return f"Verdict on accuracy: {verdict.said} ({on_items}): {change.reason or change.no_interval}"
    return f"Verdict on accuracy: {verdict.said} ({on_items}){more}."


def per_class(comparison: Comparison, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """A row for each class, the worst change first, every figure as a number; empty without labels."""
    from compress_core.measure.behavior.class_changes import class_changes

    return [_class_row(row, classes) for row in class_changes(comparison)]


def _class_row(row: ClassNumbers, classes: tuple[str, ...]) -> dict[str, Any]:
    numbers = {
        "accuracy_before": row.before,
        "accuracy_after": row.after,
        "accuracy_change": row.change,
        "p": row.p,
        "p_holm": row.p_holm,
    }
    described = {"class": classes[row.index], "index": row.index, "n": row.n}
    return described | {name: number.as_json() for name, number in numbers.items()}


def _print_classes(rows: list[dict[str, Any]], how_sure: str) -> None:
    cells = [
        [
            row["class"],
            *(
                printing.with_interval(Number(**row[name]))
                for name in ("accuracy_before", "accuracy_after", "accuracy_change")
            ),
            printing.value_of(Number(**row["p_holm"])),
            f"{row['n']:,}",
        ]
        for row in rows
    ]
    heads = ("class", ">before (95 %)", ">after (95 %)", ">change (95 % together)", ">p (Holm)", ">N")
    if not _has_intervals(rows):
        heads = ("class", ">before", ">after", ">change", ">p (Holm)", ">N")
    printing.print_table(heads, cells)
    typer.echo(f"\n{how_sure}")


def _has_intervals(rows: list[dict[str, Any]]) -> bool:
    return any(row["accuracy_change"]["low"] is not None for row in rows)


def _how_sure(rows: list[dict[str, Any]]) -> str:
    """How the intervals of classes are meant, or why there are none."""
    if not _has_intervals(rows):
        return str(rows[0]["accuracy_change"]["no_interval"])
    return (
        f"Intervals of the changes are simultaneous over {len(rows)} classes: with 95 % confidence all of "
        "them hold. Those before and after hold with 95 % each by itself."
    )


@about_a_model()
def explain(
    asked: ModelOptions,
    method: MethodOption = FIRST_METHOD,
    count: ItemsOption = 50,
    seed: SeedOption = 0,
    only: OnlyOption = None,
    value: ValueOption = None,
) -> None:
    """Whether the model still looks at the same things.

    Similarity of the maps before and after over items drawn at random, beside noise ceiling and random floor.
    """
    from compress_core.cli.explaining import explained, print_explanation
    from compress_core.cli.loading import open_case

    _check_there_are_steps(asked)
    case = open_case(asked)
    content = explained(case, method, count, seed, only, value)
    if asked.as_json:
        printing.print_json(content)
    else:
        print_explanation(case, content)
