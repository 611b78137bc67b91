"""The numbers of one model as JSON, the same for `evaluate`, `compare` and the file that `apply` writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from compress_core.cli import printing
from compress_core.cli.loading import Case
from compress_core.foundation.number import Number
from compress_core.foundation.printable import printable

if TYPE_CHECKING:
    from compress_core.apply.model import Model


def numbers_of(case: Case) -> Mapping[str, Number]:
    """Every number of the model on the split asked for; raises Refused where there are no such items."""
    from compress_core.measure.behavior.evaluate import evaluate

    return evaluate(case.model, case.split, case.store)


def numbers_without_items(case: Case) -> Mapping[str, Number]:
    """Sizes, and for everything that needs items the reason why it is missing."""
    from compress_core.measure.behavior.metric import told_metrics
    from compress_core.measure.cost.cost import costs

    missing = {
        name: Number.missing(metric.unit, "There are no items to measure on.")
        for name, metric in told_metrics(case.subject.answers.task).items()
    }
    return {**missing, **costs(case.model, case.store)}


def evaluation(case: Case, numbers: Mapping[str, Number]) -> printing.Content:
    """What was evaluated, every number of it, and a row for each layer."""
    from compress_core.apply.lineage import lineage_as_json
    from compress_core.measure.cost.warnings import recipe_warnings

    items = len(case.split) if case.subject.splits else 0
    recipe = case.model.recipe
    return {
        "model": case.subject.name,
        "title": case.subject.title,
        "digest": case.subject.digest,
        "split": case.chosen.split if items else None,
        "data": None if case.chosen.items is None else str(case.chosen.items),
        "n": items,
        "recipe": {"sha": recipe.sha, **recipe.as_recipe().as_json()},
        "lineage": lineage_as_json(case.model.lineage),
        "warnings": [*case.subject.warnings, *recipe_warnings(case.model), *unanswered_by(case)],
        **{name: number.as_json() for name, number in numbers.items()},
        "layers": layer_rows(case),
    }


def unanswered_by(case: Case) -> list[str]:
    """How many items get no finite answer, which accuracy counts as wrong; empty where all do."""
    from compress_core.measure.behavior.unanswered import unanswered

    said = unanswered(case.model, case.split, case.store) if case.subject.splits else None
    return [] if said is None else [said]


def print_unanswered(case: Case) -> None:
    """The same as a warning above the numbers."""
    for sentence in unanswered_by(case):
        typer.echo(f"Warning: {sentence}\n")


def layer_rows(case: Case) -> list[printing.Content]:
    """What each layer costs now and did as loaded, and the error of its output."""
    from compress_core.measure.tables.layer_numbers import layer_numbers

    found = layer_numbers(case.model, case.store)
    return [
        {"layer": name, **{key: number.as_json() for key, number in numbers.items()}}
        for name, numbers in found.items()
    ]


def print_layers(case: Case) -> None:
    """The layer table of the page, with the reasons where an output error is missing."""
    from compress_core.measure.tables.layer_numbers import layer_numbers

    found = layer_numbers(case.model, case.store)
    names = ("weights", "sparsity", "rank", "bytes_before", "bytes", "macs", "output_error")
    heads = ("layer", *(f">{name.replace('_', ' ')}" for name in names), "how")
    rows = [
        [layer, *(printing.value_of(numbers[name]) for name in names), _how_it_errs(numbers["output_error"])]
        for layer, numbers in found.items()
    ]
    printing.print_table(heads, rows)


def _how_it_errs(error: Number) -> str:
    if error.n is None:
        return printing.how_of(error)
    return f"{error.kind} on {error.n:,} calibration items"


def titled(numbers: Mapping[str, Number]) -> list[tuple[str, Number]]:
    """The numbers with the titles under which they are printed."""
    from compress_core.measure.behavior.metric import metrics

    titles = {name: metric.title for name, metric in metrics().items()} | {"macs": "MACs of one item"}
    return [
        (titles.get(name, name.replace("_", " ").capitalize()), number) for name, number in numbers.items()
    ]


def _done_to(model: Model) -> str:
    """What a model is called, and for how long it was trained."""
    from compress_core.apply.lineage import Train
    from compress_core.decide.operation_words import name_of

    if not model.lineage:
        return "as loaded"
    epochs = [each.epochs for each in model.lineage if isinstance(each, Train)]
    trained = [f"trained {count} " + ("epoch" if count == 1 else "epochs") for count in epochs]
    return ", ".join([f"recipe {name_of(model.lineage)}", *trained])


def headline(case: Case) -> str:
    """Which model, items and recipe the numbers are about, and broken weights."""
    from compress_core.measure.cost.warnings import recipe_warnings

    splits = case.subject.splits
    if not splits:
        measured_on = "no items"
    elif case.chosen.items is not None:
        measured_on = f"{case.chosen.items}, {_items(len(case.split))}"
    else:
        measured_on = f"{case.chosen.split} split, {_items(len(case.split))}"
    changed = _done_to(case.model)
    broken = "".join(
        f"\n{printable(name)} holds {count:,} weights that are NaN or infinite."
        for name, count in case.subject.problems.items()
    )
    warnings = (*case.subject.network_warnings, *recipe_warnings(case.model))
    careful = "".join(f"\nWarning: {printable(sentence)}" for sentence in warnings)
    chosen = f"\n{said}" if (said := _epoch_words(case)) else ""
    return f"{case.subject.title}, {changed}; {measured_on}.{chosen}{broken}{careful}\n"


def _items(count: int) -> str:
    return f"{count:,} " + ("item" if count == 1 else "items")


def _epoch_words(case: Case) -> str:
    """By which items a training chose among its epochs, and which judge it; empty where none chose."""
    from compress_core.apply.lineage import Train
    from compress_core.measure.behavior.evaluate import REPORTING

    epochs = [each.epochs for each in case.model.lineage if isinstance(each, Train)]
    if max(epochs, default=1) == 1 or not case.subject.splits:
        return ""
    if case.chosen.split == REPORTING:
        return "Validation items chose the epoch; these test items chose nothing."
    others = "--split test judges it" if REPORTING in case.subject.splits else "other items would judge it"
    return f"Validation items chose the epoch, so they tend to find it too good: {others}."
