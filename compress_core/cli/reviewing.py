"""review, verify and gates: may it go out, with evidence that somebody else can check."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import JsonOption, ModelOptions, about_a_model, writing
from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.printable import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from compress_core.cli.loading import Case
    from compress_core.reviews.findings import Circumstances, Review
    from compress_core.reviews.gate import Gates
    from compress_core.reviews.seals import FieldDifference

_MOST_REPORT = 2**28

GatesOption = Annotated[
    str,
    typer.Option(
        "--gates", metavar="FILE.yaml", help="What must hold: a file, or no_loss, mlperf_99, mlperf_999."
    ),
]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE.html",
        help="Write the report there, and the same as JSON beside it.",
        show_default=False,
    ),
]
ZipOption = Annotated[
    Path | None,
    typer.Option(
        "--zip",
        metavar="FILE.zip",
        help="Write report, JSON, recipe, gates, packed file and tables in one file.",
        show_default=False,
    ),
]
LangOption = Annotated[
    str, typer.Option("--lang", metavar="CODE", help="Which language of the report opens first: en or zh.")
]
OnOption = Annotated[
    str | None,
    typer.Option(
        "--split", metavar="SPLIT", help="test, or validation where there is no other.", show_default=False
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE.csv",
        help="Labels of the items on which the two models disagree.",
        show_default=False,
    ),
]
DisagreementsOption = Annotated[
    Path | None,
    typer.Option(
        "--disagreements",
        metavar="FILE.csv",
        help="Write the items on which the two models disagree: only these need labels.",
        show_default=False,
    ),
]
GroupOption = Annotated[
    str | None,
    typer.Option(
        "--group-column",
        metavar="NAME",
        help="An array of whole numbers in --data, which says the subgroup of each item.",
        show_default=False,
    ),
]
AllowOption = Annotated[
    bool, typer.Option("--allow-undecided", help="End with 0 where nothing fails and something is open.")
]
ReviewerOption = Annotated[str, typer.Option("--reviewer", metavar="NAME", help="Who reviews.")]
DecisionOption = Annotated[
    str,
    typer.Option("--decision", metavar="WORD", help="approve, reject or conditions; it needs --reviewer."),
]
NotesOption = Annotated[str, typer.Option("--notes", metavar="TEXT", help="What the reviewer has to say.")]
DeviceOption = Annotated[
    str, typer.Option("--target-device", metavar="NAME", help="Where the model is meant to run.")
]
TargetRuntimeOption = Annotated[
    str, typer.Option("--target-runtime", metavar="NAME", help="In which runtime it is meant to run.")
]


@about_a_model(without=("split",))
def review(
    asked: ModelOptions,
    gates: GatesOption = "no_loss",
    report: ReportOption = None,
    zip_file: ZipOption = None,
    lang: LangOption = "en",
    split: OnOption = None,
    labels: LabelsOption = None,
    disagreements: DisagreementsOption = None,
    group_column: GroupOption = None,
    allow_undecided: AllowOption = False,
    reviewer: ReviewerOption = "",
    decision: DecisionOption = "",
    notes: NotesOption = "",
    target_device: DeviceOption = "",
    target_runtime: TargetRuntimeOption = "",
) -> None:
    """Whether a compressed model may go out: gates judged on test items, with the evidence.

    Ends with 0 where all required gates pass, 1 where one fails, 2 where the review cannot be made, and 3
    where nothing fails and something is undecided or not measured.
    """
    from compress_core.cli.loading import open_case
    from compress_core.reviews.decisions import decided
    from compress_core.reviews.evidence_files import write_evidence
    from compress_core.reviews.gate_file import gates_named
    from compress_core.reviews.gate_verdict import exit_code
    from compress_core.reviews.judging import Asked, reviewed

    signed = decided(reviewer, decision, notes)
    wanted = gates_named(gates)
    case = open_case(asked)
    beside = Beside(split or _last_split(case), labels, group_column)
    if disagreements is not None:
        _write_disagreements(case, beside.split, disagreements)
    around = _circumstances(case, wanted, beside, target_device, target_runtime)
    given = Asked(beside.split, *_read(case, beside), decision=signed)
    found = printing.with_progress(reviewed(case.model, wanted, given, around, case.store))
    for place in (report, zip_file):
        if place is not None:
            with writing(place):
                write_evidence(found, case.model, place, lang)
    _print_review(case, found)
    code = exit_code(found.judged, allow_undecided=allow_undecided)
    if code:
        raise typer.Exit(code)


@dataclass(frozen=True)
class Beside:
    """On which items, and what files say about them."""

    split: str
    labels: Path | None = None
    group_column: str | None = None


def _last_split(case: Case) -> str:
    """Test items where the model has some; items of somebody's own are called validation."""
    return "test" if "test" in case.subject.splits else "validation"


def _read(case: Case, beside: Beside) -> tuple[NDArray[np.int64] | None, NDArray[np.str_] | None]:
    """The labels that came later, and the subgroup of each item; raises Refused for what does not fit."""
    from compress_core.loading.named import content_of_file
    from compress_core.loading.subgroups import subgroups_in
    from compress_core.measure.behavior.evaluate import compare
    from compress_core.reviews.late_labels import read_labels

    labels, groups = None, None
    if beside.labels is not None:
        text = content_of_file(beside.labels).decode("utf-8-sig", errors="replace")
        items = case.subject.split(beside.split)
        labels = read_labels(text, compare(case.model, items, case.store), case.subject.classes)
    if beside.group_column is not None:
        if case.chosen.items is None:
            raise Refused("--group-column names an array in a data file: add --data FILE.npz.")
        groups = subgroups_in(case.chosen.items, beside.group_column)
    return labels, groups


def _write_disagreements(case: Case, split: str, place: Path) -> None:
    from compress_core.foundation.atomic_file import write_whole
    from compress_core.foundation.csv_table import Provenance, as_csv
    from compress_core.measure.behavior.evaluate import compare
    from compress_core.reviews.late_labels import disagreement_frame

    items = case.subject.split(split)
    frame = disagreement_frame(compare(case.model, items, case.store), case.subject.classes)
    with writing(place):
        write_whole(
            place, as_csv(frame, Provenance(case.subject.name, case.model.recipe.sha, split, len(items)))
        )


def _circumstances(case: Case, gates: Gates, beside: Beside, device: str, runtime: str) -> Circumstances:
    from compress_core.reviews.circumstances_now import circumstances_of

    return circumstances_of(
        _command(case, beside, device, runtime),
        _asked(case, beside),
        gates.conditions.seed,
        device=device,
        runtime=runtime,
    )


def _asked(case: Case, beside: Beside) -> dict[str, str | None]:
    """What `verify` needs to open the same model."""
    chosen = case.chosen
    paths = {
        "weights": chosen.weights,
        "data": chosen.items,
        "trained": chosen.trained,
        "labels": beside.labels,
    }
    return {
        "model": chosen.model,
        "input_shape": chosen.input_shape,
        "group_column": beside.group_column,
        **{name: None if path is None else str(path) for name, path in paths.items()},
    }


def _command(case: Case, beside: Beside, device: str, runtime: str) -> str:
    """What makes the review again where recipe.yaml and gates.yaml of the ZIP file lie."""
    from compress_core.apply.lineage import Compress

    asked = _asked(case, beside)
    options = {
        "--weights": asked["weights"],
        "--data": asked["data"],
        "--input-shape": asked["input_shape"],
        "--trained": asked["trained"],
        "--labels": asked["labels"],
        "--group-column": asked["group_column"],
        "--split": beside.split,
        "--target-device": device,
        "--target-runtime": runtime,
    }
    lineage = case.model.lineage
    recipe = ["recipe.yaml"] if lineage and isinstance(lineage[-1], Compress) else []
    words = ["slimscope", "review", *filter(None, [asked["model"]]), *recipe, "--gates", "gates.yaml"]
    return shlex.join([*words, *(word for pair in options.items() if pair[1] for word in pair if word)])


def _print_review(case: Case, found: Review) -> None:
    if case.chosen.as_json:
        from compress_core.reviews.seals import sealed

        printing.print_json(sealed(found.as_json()))
        return
    model = found.model
    typer.echo(
        f"{printable(model.title)}, recipe {model.recipe_sha[:12]}; {model.split} split, N = {model.n:,}"
    )
    typer.echo(f"{found.verdict.value.upper()} ({found.gates.title or 'own gates'})\n")
    rows = [
        [
            each.outcome.value.upper(),
            str(found.gates.in_words(each.gate)),
            "required" if each.gate.required else "advisory",
            printing.value_of(each.number),
            printing.interval_of(each.number),
            "" if each.items_to_decide is None else f"about {each.items_to_decide:,}",
            printing.how_of(each.number),
        ]
        for each in found.judged
    ]
    heads = ("", "gate", "", ">value", ">95 % interval", ">items to decide", "how")
    printing.print_table(heads, rows)
    typer.echo(f"\n{_looks_in_words(found)}")
    if found.worst_class is not None:
        worse = ", ".join(map(printable, found.got_worse)) or "none surely (Holm)"
        typer.echo(f"Worst class: {printable(found.worst_class)}. Classes that got worse: {worse}.")
    typer.echo("Not tested:")
    for sentence in found.not_tested:
        typer.echo(f"- {printable(sentence)}")


def _looks_in_words(found: Review) -> str:
    looks = found.looks
    said = f"Models of this one looked at on these items so far: {looks.models:,}."
    if looks.fixed_before is None:
        return f"{said} Whether the gates were fixed before is not known: no workspace keeps it."
    when = "before" if looks.fixed_before else "after"
    return f"{said} These gates were first seen here {when} the first look."


ReportArgument = Annotated[
    Path, typer.Argument(metavar="REPORT.json", help="What slimscope review wrote.", show_default=False)
]


@about_a_model(without=("model", "recipe", "step", "split", "as_json"))
def verify(asked: ModelOptions, report: ReportArgument, as_json: JsonOption = False) -> None:
    """Make a review again from its JSON and compare field by field; ends with 1 where one differs.

    Model, recipe and gates are those of the report; files are where they were, unless an option says
    otherwise; code that the report names runs only where --model names it too. Times, dates, the machine
    and the looks belong to their moment: of these only the seal is checked, which tells of a changed digit
    and is no signature.
    """
    from compress_core.reviews.made_again import verified
    from compress_core.reviews.seals import broken_seals, computed_again

    content = _content_of(report)
    broken_seals(content)
    case, beside = _opened_again(asked, content)
    found = verified(
        content, case.subject, case.store, given=lambda model: _read(replace(case, model=model), beside)
    )
    again = computed_again(content)
    if as_json:
        said = [{"field": d.path, "said": d.said, "found": d.found, "seal": not d.broken_seal} for d in found]
        printing.print_json({"report": str(report), "fields": again, "differences": said})
    else:
        _print_verified(found, again)
    if found:
        raise typer.Exit(1)


def _content_of(report: Path) -> dict[str, Any]:
    from compress_core.loading.named import content_of_file

    try:
        content = json.loads(content_of_file(report, _MOST_REPORT))
    except (ValueError, RecursionError):
        raise Refused("{path} is no JSON: give the file that slimscope review wrote.", path=report) from None
    if not isinstance(content, dict):
        raise Refused("{path} holds no report: give the file that slimscope review wrote.", path=report)
    return content


def _opened_again(asked: ModelOptions, content: Mapping[str, Any]) -> tuple[Case, Beside]:
    """The model as loaded that a report speaks of, and what stood beside its items; raises Refused."""
    from compress_core.apply.model import Model
    from compress_core.cli.loading import Case, open_store, open_subject
    from compress_core.deliver.trained_folder import trained_in
    from compress_core.reviews.made_again import read_review

    said = read_review(content)
    known = said.circumstances.asked
    chosen = replace(
        asked,
        model=_trusted_model(asked, known),
        input_shape=asked.input_shape or _text(known, "input_shape"),
        weights=asked.weights or _path(known, "weights"),
        items=asked.items or _path(known, "data"),
        trained=asked.trained or _path(known, "trained"),
    )
    subject, store = open_subject(chosen), open_store()
    if chosen.trained is not None:
        trained_in(chosen.trained, subject, store)
    beside = Beside(said.model.split, _path(known, "labels"), _text(known, "group_column"))
    return Case(Model.original(subject), chosen, store), beside


def _trusted_model(asked: ModelOptions, known: Mapping[str, Any]) -> str | None:
    """The model to load: a report may come from anybody, so code that it names does not run by itself."""
    named = _text(known, "model")
    if asked.model is not None:
        return asked.model
    if named is not None and ":" in named and not Path(named).exists():
        raise Refused(
            "This report is of {model}, and verifying it would run that code: where you trust it, say so "
            "with --model {model}.",
            model=named,
        )
    return named


def _path(known: Mapping[str, Any], name: str) -> Path | None:
    text = _text(known, name)
    return None if text is None else Path(text)


def _text(known: Mapping[str, Any], name: str) -> str | None:
    said: object = known.get(name)
    return said if isinstance(said, str) else None


def _print_verified(found: Sequence[FieldDifference], again: int) -> None:
    if not found:
        typer.echo(f"{again:,} fields were computed again and are the same; every seal is whole.")
        return
    for each in found:
        if each.broken_seal:
            typer.echo(f"{printable(each.path)}: its seal is broken, it was changed after it was written")
        else:
            said, new = (printable(shortened(value)) for value in (each.said, each.found))
            typer.echo(f"{printable(each.path)}: the report says {said}, computed again it is {new}")


GatesArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE.yaml", help="Gates to check; without it, those that come along.", show_default=False
    ),
]


def gates(name: GatesArgument = None, as_json: JsonOption = False) -> None:
    """Check gates and fix them: the workspace notes since when they are as they are. Looks at no model.

    Do it before anybody looks at test items: a review says whether it was so.
    """
    from compress_core.cli.loading import open_store
    from compress_core.reviews.gate_file import gates_named, read_gates, ready_made_gates
    from compress_core.reviews.looks_at_test import fix_gates
    from compress_core.reviews.measure import review_measures

    found = gates_named(name) if name is not None else None
    since = None if found is None else fix_gates(found, open_store())
    if as_json:
        printing.print_json(
            {
                "gates": None if found is None else {"sha": found.sha, "since": since, **found.as_json()},
                "ready_made": {key: read_gates(text).as_json() for key, text in ready_made_gates().items()},
                "measures": {
                    m.name: {"unit": m.unit, "better": m.direction, "summary": m.summary}
                    for m in review_measures().values()
                },
            }
        )
        return
    if found is None:
        rows = [[m.name, m.unit, m.direction, m.summary] for m in review_measures().values()]
        printing.print_table(("measure", "unit", "better", "what it says"), rows)
        typer.echo(f"\nReady-made gates: {', '.join(ready_made_gates())}.")
        return
    typer.echo(f"{found.title or 'Own gates'}, sha-256 {found.sha}")
    for gate in found.gates:
        kind = "required" if gate.required else "advisory"
        typer.echo(f"- {found.in_words(gate)} ({kind}) {printable(gate.reason)}".rstrip())
    if not found.gates:
        typer.echo("There is no gate in it, so nothing passes it.")
    moment = None if since is None else datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
    typer.echo("Not noted: there is no workspace." if moment is None else f"Fixed since {moment}.")
