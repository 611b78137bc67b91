"""verify: a report made again and compared field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import JsonOption, ModelOptions, about_a_model
from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.printable import printable

if TYPE_CHECKING:
    from compress_core.cli.loading import Case
    from compress_core.cli.reviewed_items import Beside
    from compress_core.reviews.findings import Review
    from compress_core.reviews.model_files import FileBeside
    from compress_core.reviews.seals import FieldDifference
    from compress_core.subject.subject import Subject

ReportArgument = Annotated[
    Path, typer.Argument(metavar="REPORT.json", help="What slimscope review wrote.", show_default=False)
]


@about_a_model(without=("model", "recipe", "step", "split", "as_json"))
def verify(asked: ModelOptions, report: ReportArgument, as_json: JsonOption = False) -> None:
    """Make a review again from its JSON and compare field by field; ends with 1 where one differs.

    Model, recipe and gates are those of the report; files are where they were, unless an option says
    otherwise, and may be called otherwise by now; code that the report names runs only where --model names
    it too. A file of the model that lies beside the report is compared with the sha-256 that is listed; one
    that differs ends with 1 as well. Where the training of a model is kept nowhere here, its weights are
    those of its packed file beside the report. Times, dates, the machine and the looks belong to their
    moment: of these only the seal is checked, which tells of a changed digit and is no signature.
    """
    from compress_core.cli.reviewed_items import read_beside
    from compress_core.reviews.made_again import read_review, verified
    from compress_core.reviews.model_files import files_beside
    from compress_core.reviews.packed_beside import packed_beside
    from compress_core.reviews.report_reading import report_in
    from compress_core.reviews.seals import broken_seals, computed_again

    content = report_in(report)
    broken_seals(content)
    said = read_review(content)
    files = files_beside(report, said)
    packed = packed_beside(report, said, files)
    if not as_json:
        _print_files(files)
    case, beside, renamed = _opened_again(asked, said, packed)
    made = verified(
        content,
        case.subject,
        case.store,
        given=lambda model: read_beside(replace(case, model=model), beside),
        packed=packed,
    )
    found, again = made.differences, computed_again(content)
    remarks = [*([] if renamed is None else [renamed]), *_unknown(made.not_recorded, content["format"])]
    if made.from_packed and packed is not None:
        remarks.append(_from_packed(packed.name))
    remarks += map(_made_otherwise, made.other_bytes)
    if as_json:
        told: dict[str, Any] = {"report": str(report), "fields": again}
        told["differences"] = [
            {"field": d.path, "said": d.said, "found": d.found, "seal": not d.broken_seal} for d in found
        ]
        told["files"] = [
            {"file": f.name, "sha256": f.sha256, "listed_as": f.listed_as, "listed_sha256": f.expected}
            for f in files
        ]
        printing.print_json({**told, "not_recorded": dict(made.not_recorded), "remarks": remarks})
    else:
        _print_verified(found, again)
        for remark in remarks:
            typer.echo(remark)
    if found or any(file.differs for file in files):
        raise typer.Exit(1)


def _opened_again(asked: ModelOptions, said: Review, packed: Path | None) -> tuple[Case, Beside, str | None]:
    """The model as loaded that a report speaks of, and what stood beside its items; raises Refused.

    With it what there is to say where the file of its weights is called otherwise by now. packed: what is
    taken where the folder of a training is not there any more.
    """
    from compress_core.apply.model import Model
    from compress_core.cli.loading import Case, open_store, open_subject
    from compress_core.cli.reviewed_items import Beside
    from compress_core.deliver.trained_folder import trained_in

    known = said.circumstances.asked
    chosen = _opened_as(asked, known)
    opened, store = open_subject(chosen), open_store()
    subject = _called_as_then(opened, chosen, said)
    if chosen.trained is not None and (packed is None or asked.trained or chosen.trained.is_dir()):
        trained_in(chosen.trained, subject, store)
    beside = Beside(
        said.model.split, _path(known, "labels"), _text(known, "group_column"), _path(known, "groups")
    )
    return Case(Model.original(subject), chosen, store), beside, _renamed(opened, subject, said)


def _called_as_then(subject: Subject, chosen: ModelOptions, said: Review) -> Subject:
    """The model under the name in the report, where both names are those of files.

    Digests tell what was reviewed; the name of a file stands in packed files too, and changes their sizes.
    """
    name, title, then = said.model.name, said.model.title, _names_then(said)
    is_a_file = subject.name in _names_of_file(chosen.weights, chosen.model)
    was_a_file = name in then if then else not _names_a_model(said)
    if not (is_a_file and was_a_file):
        return subject
    return replace(subject, name=name, title=title if title in (then or {name}) else subject.title)


def _names_then(said: Review) -> set[str]:
    known = said.circumstances.asked
    return _names_of_file(_path(known, "weights"), _text(known, "model"))


def _names_a_model(said: Review) -> bool:
    """Whether the report knows where its model was; one of a page or of Python knows its name alone."""
    known = said.circumstances.asked
    return bool(_text(known, "weights") or _text(known, "model"))


def _names_of_file(weights: Path | None, model: str | None) -> set[str]:
    """What a model may be called whose weights lie there; nothing where code or a sample names it."""
    if weights is None and not _was_a_file(model):
        return set()
    place = Path(model or "") if weights is None else weights
    return {printable(place.stem), printable(place.name)}


def _renamed(opened: Subject, subject: Subject, said: Review) -> str | None:
    if opened.name == subject.name:
        return None
    remark = f"The weights are called {opened.name} now; the report calls them {subject.name}."
    return remark if _names_a_model(said) else f"{remark} Nothing else tells whether that was their name."


def _unknown(not_recorded: Mapping[str, object], number: int) -> list[str]:
    """What a report of that format has no place for, and what of it is found today."""
    if not not_recorded:
        return []
    paths = ", ".join(not_recorded)
    found = (
        f"{path}: not recorded; found today: {printable(json.dumps(value, ensure_ascii=False))}"
        for path, value in not_recorded.items()
    )
    return [f"Not recorded in a report of format {number}, and so not compared: {paths}.", *found]


def _opened_as(asked: ModelOptions, known: Mapping[str, Any]) -> ModelOptions:
    """What was typed, and where nothing was, what the report says of it."""
    from compress_core.cli.review_origin import FILES, OPENING

    said: dict[str, Any] = {
        field: getattr(asked, field) or (_path if name in FILES else _text)(known, name)
        for name, field in OPENING.items()
    }
    return replace(asked, model=_trusted_model(asked, known), **said)


def _trusted_model(asked: ModelOptions, known: Mapping[str, Any]) -> str | None:
    """The model to load: a report may come from anybody, so code that it names does not run by itself."""
    named = _text(known, "model")
    if asked.model is not None:
        return asked.model
    if asked.weights is not None and _text(known, "weights") is None and _was_a_file(named):
        return None  # the file that was named as the model lies elsewhere now
    if named is None and asked.weights is None and _text(known, "weights") is None:
        raise Refused(
            "This report is of a network that was uploaded to a page or made in Python: name it with "
            "--weights FILE or --model, and its items with --data."
        )
    if named is not None and ":" in named and not Path(named).exists():
        raise Refused(
            "This report is of {model}, and verifying it would run that code: where you trust it, say so "
            "with --model {model}.",
            model=named,
        )
    return named


def _was_a_file(named: str | None) -> bool:
    """Whether a report's model is a file of weights, which may have moved since."""
    from compress_core.loading.cards import cards

    return named is not None and named not in cards() and ":" not in named


def _path(known: Mapping[str, Any], name: str) -> Path | None:
    text = _text(known, name)
    return None if text is None else Path(text)


def _text(known: Mapping[str, Any], name: str) -> str | None:
    said: object = known.get(name)
    return said if isinstance(said, str) else None


def _from_packed(name: str) -> str:
    return (
        f"The weights of the training are those of {printable(name)}. It does not tell how the plain file "
        "codes them, so the bytes of that file were taken over."
    )


def _made_otherwise(name: str) -> str:
    return (
        f"{printable(name)}: made again here it has other bytes than the report lists. On another processor "
        "last digits may differ; on the same one the list was changed."
    )


def _print_files(files: Sequence[FileBeside]) -> None:
    """What lies beside the report: its files, others under their names, and others."""
    for each in files:
        name = printable(each.name)
        if each.differs:
            typer.echo(
                f"{name}: not the file of the report, which lists sha-256 {each.expected}; this one has "
                f"{each.sha256}"
            )
        elif each.listed_as is None:
            typer.echo(f"{name}: none of the files of the report, sha-256 {each.sha256}")
        else:
            renamed = "" if each.listed_as == each.name else f", listed as {printable(each.listed_as)}"
            typer.echo(f"{name}: a file of the report{renamed}, sha-256 {each.sha256}")


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
