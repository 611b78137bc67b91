"""A review as text: verdict, gates, looks, and what was not tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from compress_core.cli import printing
from compress_core.foundation.number import about
from compress_core.foundation.printable import printable

if TYPE_CHECKING:
    from compress_core.reviews.findings import Decision, Review


def print_review(found: Review, *, as_json: bool) -> None:
    """All of it as JSON with its seals, or what a person reads first."""
    if as_json:
        from compress_core.reviews.seals import sealed

        printing.print_json(sealed(found.as_json()))
        return
    model = found.model
    typer.echo(f"{printable(model.title)}, recipe {model.called}; {model.split} split, N = {model.n:,}")
    if model.epoch_chosen_by is not None:
        typer.echo(model.epoch_chosen_by)
    typer.echo(f"{found.verdict.value.upper()} ({found.gates.title or 'own gates'}): {found.because}")
    typer.echo(f"{_decision_in_words(found.decision)}\n")
    if found.judged:
        _print_gates(found)
    typer.echo(f"\n{_looks_in_words(found)}")
    if found.worst_class is not None:
        alone = found.no_class_intervals
        none = "none surely (Holm)." if alone is None else f"not measured: {alone}"
        worse = f"{', '.join(map(printable, found.got_worse))}." if found.got_worse else none
        typer.echo(f"Worst class: {printable(found.worst_class)}. Classes that got worse: {worse}")
    _print_files(found)
    if model.remarks is None:
        typer.echo("Read: not recorded")
    for sentence in model.remarks or ():
        typer.echo(f"Read: {printable(str(sentence))}")
    typer.echo("Not tested:")
    for sentence in found.not_tested:
        typer.echo(f"- {printable(sentence)}")


def _decision_in_words(decision: Decision) -> str:
    from compress_core.reviews.report_words import WORDS

    said = WORDS[decision.decision or "undecided_yet"]
    if not decision.decision:
        return f"Decision: {said}"
    notes = f": {printable(decision.notes)}" if decision.notes else ""
    return f"Decision: {said} by {printable(decision.reviewer)}, {printable(decision.date)}{notes}"


def _print_gates(found: Review) -> None:
    rows = [
        [
            each.outcome.value.upper(),
            str(found.gates.in_words(each.gate)),
            "required" if each.gate.required else "advisory",
            printing.value_of(each.number),
            printing.interval_of(each.number),
            "" if each.items_to_decide is None else f"about {about(each.items_to_decide):,}",
            printing.how_of(each.number),
        ]
        for each in found.judged
    ]
    heads = ("", "gate", "", ">value", ">95 % interval", ">items to decide", "how")
    printing.print_table(heads, rows)


def _print_files(found: Review) -> None:
    if found.files is None:
        typer.echo("Files: not recorded")
    for each in found.files or ():
        typer.echo(f"File: {printable(each.name)}, {each.bytes:,} bytes, sha-256 {each.sha256}")


def _looks_in_words(found: Review) -> str:
    from compress_core.measure.behavior.evaluate import REPORTING

    looks = found.looks
    if found.model.split != REPORTING:
        return "These are no test items: looks at them are not counted, since recipes are chosen on them."
    if looks.first is None or looks.fixed_before is None:
        return "How often these items were looked at, and since when gates are fixed, no workspace keeps."
    said = f"Models of this one looked at on these items so far: {looks.models:,}."
    when = "before" if looks.fixed_before else "after"
    return f"{said} These gates were first seen here {when} the first look."
