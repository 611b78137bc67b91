"""review: may it go out, with evidence that somebody else can check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import ForceOption, ModelOptions, about_a_model, printed_before_refusal
from compress_core.cli.printed_review import print_review
from compress_core.cli.review_files import ReviewFiles, read_by
from compress_core.cli.review_options import (
    AllowOption,
    DecisionOption,
    DeviceOption,
    DisagreementsOption,
    GatesOption,
    GroupOption,
    GroupsOption,
    LabelsOption,
    LangOption,
    ListedOption,
    NotesOption,
    OnOption,
    ReportOption,
    ReviewerOption,
    TargetRuntimeOption,
    ZipOption,
)
from compress_core.cli.review_origin import circumstances_of_command
from compress_core.cli.reviewed_items import (
    Beside,
    check_beside,
    read_beside,
    write_disagreements,
)

if TYPE_CHECKING:
    from compress_core.cli.loading import Case
    from compress_core.reviews.findings import Circumstances, Decision, ModelFile, Review
    from compress_core.reviews.gate import Gates


@about_a_model(without=("split",))
def review(
    asked: ModelOptions,
    gates: GatesOption = None,
    report: ReportOption = None,
    zip_file: ZipOption = None,
    lang: LangOption = "en",
    split: OnOption = None,
    labels: LabelsOption = None,
    disagreements: DisagreementsOption = None,
    group_column: GroupOption = None,
    groups: GroupsOption = None,
    allow_undecided: AllowOption = False,
    reviewer: ReviewerOption = "",
    decision: DecisionOption = "",
    notes: NotesOption = "",
    target_device: DeviceOption = "",
    target_runtime: TargetRuntimeOption = "",
    to: ListedOption = None,
    force: ForceOption = False,
) -> None:
    """Whether a compressed model may go out: gates judged on test items, with the evidence.

    Ends with 0 where all required gates pass, 1 where one fails, 2 where the review cannot be made, and 3
    where nothing fails and something is undecided or not measured. An approval of what does not pass needs
    its reason in --notes.
    """
    from compress_core.cli.loading import open_case
    from compress_core.deliver.export_format import export_format_named
    from compress_core.reviews.decisions import decided, refuse_without_reason
    from compress_core.reviews.gate_file import gates_named, usual_gates
    from compress_core.reviews.gate_verdict import exit_code
    from compress_core.reviews.judging import last_split
    from compress_core.reviews.model_files import signed_for, with_files

    signed = decided(reviewer, decision, notes)
    wanted = None if gates is None else gates_named(gates)
    formats = tuple(export_format_named(name).name for name in to or ())
    files = ReviewFiles(report, zip_file, disagreements, lang, force)
    files.refuse_wrong(read_by(asked, gates, labels, groups))
    case = open_case(asked)
    beside = Beside(split or last_split(case.subject), labels, group_column, groups)
    check_beside(case, beside)
    wanted = wanted or gates_named(usual_gates(case.subject.task))
    more = _made(case, formats)
    targets = {"target_device": target_device, "target_runtime": target_runtime}
    around = circumstances_of_command(case, wanted.conditions.seed, beside, targets, formats)
    found = signed_for(with_files(_reviewed(case, wanted, beside, files, around, signed), more))
    with printed_before_refusal(lambda: print_review(found, as_json=asked.as_json)):
        refuse_without_reason(found, signed)
        files.write(found, case.model)
    print_review(found, as_json=asked.as_json)
    code = exit_code(found.judged, allow_undecided=allow_undecided)
    if code:
        raise typer.Exit(code)


def _made(case: Case, formats: tuple[str, ...]) -> tuple[ModelFile, ...]:
    """The files of the model in these formats, each tried on a few items; raises Refused."""
    from compress_core.deliver.exports import export_files
    from compress_core.reviews.model_files import listed

    made = (
        printing.with_progress(export_files(case.model, name, None, case.store)).files for name in formats
    )
    return tuple(listed(name, content) for files in made for name, content in files.items())


def _reviewed(
    case: Case, gates: Gates, beside: Beside, files: ReviewFiles, around: Circumstances, signed: Decision
) -> Review:
    """Note the gates and the look, then look: what can be refused without one has been checked by now."""
    from compress_core.reviews.judging import Asked, reviewed
    from compress_core.reviews.looks_at_test import look_at

    look_at(case.model, case.subject.split(beside.split), gates, case.store)
    if files.disagreements is not None:
        write_disagreements(case, beside.split, files.disagreements)
    given = Asked(beside.split, *read_beside(case, beside), decision=signed)
    return printing.with_progress(reviewed(case.model, gates, given, around, case.store))
