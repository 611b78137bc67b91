"""models: the samples; models list, show, tag, note, delete: all that was made, as the workspace knows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import JsonOption
from compress_core.cli.listing import models
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number

if TYPE_CHECKING:
    from compress_core.decide.model_rows import ModelRow
    from compress_core.foundation.workspace.workspace import Workspace

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The first digits of a model's key.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
_SHOWN = ("accuracy", "accuracy_change", "bytes", "packed_bytes")
_DIGITS = 12

known_models = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@known_models.callback()
def models_or_samples(context: typer.Context, as_json: JsonOption = False) -> None:
    """The sample models, with their accuracy; with a word behind it, what the workspace knows."""
    if context.invoked_subcommand is None:
        models(as_json)


@known_models.command("list")
def list_models(
    of: Annotated[str | None, typer.Argument(metavar="MODEL", help="Of this model alone.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Every model that was made, with what was done and its numbers on the validation items."""
    with opened_workspace() as place:
        found = [row for row in _rows(place) if of is None or _is_of(row, of)]
    if as_json:
        printing.print_json([_row_json(row) for row in found])
        return
    heads = (
        "key",
        "model",
        *(f">{name.replace('_', ' ')}" for name in _SHOWN),
        ">N",
        "tags",
        "what was done",
    )
    cells = [
        [
            row.model.key[:_DIGITS],
            row.model.name,
            *(printing.value_of(_number(row.numbers.get(name))) for name in _SHOWN),
            f"{row.n:,}" if row.n else "",
            ", ".join(row.tags),
            str(row.said()["what"]) or "as loaded",
        ]
        for row in found
    ]
    printing.print_table(heads, cells)


@known_models.command("show")
def show_model(key: KeyArgument, as_json: JsonOption = False) -> None:
    """One model: the way to it, its numbers, what was made of it."""
    with opened_workspace() as place:
        row = _row_of(place, key)
        line = place.models.lineage(row.model.key)
        made_of_it = [child.key for child in place.models.children(row.model.key)]
        if as_json:
            way = [{"key": model.key, "operation": model.operation} for model in line]
            files = dict(place.models.files_of(row.model.key))
            printing.print_json({**_row_json(row), "lineage": way, "children": made_of_it, "files": files})
            return
        said = row.said()
        typer.echo(f"{row.model.name}, {said['name']}: {said['what'] or 'as loaded'}")
        typer.echo(f"key {row.model.key}\n")
        numbers = [(name.replace("_", " "), _number(number)) for name, number in row.numbers.items()]
        printing.print_table(printing.NUMBER_HEADS, printing.number_rows(numbers))
        typer.echo(f"\nMade of it: {', '.join(child[:_DIGITS] for child in made_of_it) or 'nothing'}.")
        if not row.is_current:
            typer.echo("Numbers by another release: evaluate it again to compare it.")


@known_models.command("tag")
def tag_model(
    key: KeyArgument,
    tag: Annotated[str, typer.Argument(metavar="TAG", help="A word of your own.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take the tag away.")] = False,
) -> None:
    """Give a model a tag, or take it away."""
    from compress_core.foundation.workspace.model_tree import EVERYBODY

    with opened_workspace() as place:
        model = _row_of(place, key).model.key
        (place.remarks.untag if remove else place.remarks.tag)(EVERYBODY, model, tag)


@known_models.command("note")
def note_model(
    key: KeyArgument, text: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be said of it.")]
) -> None:
    """Write a note on a model."""
    from compress_core.foundation.workspace.model_tree import EVERYBODY

    with opened_workspace() as place:
        place.remarks.note(EVERYBODY, _row_of(place, key).model.key, text)


@known_models.command("delete")
def delete_model(key: KeyArgument, yes: YesOption = False) -> None:
    """Let a model go, with what was made of it; says first what that is."""
    from compress_core.foundation.workspace.forgetting import forget_model

    with opened_workspace() as place:
        model = _row_of(place, key).model.key
        going = place.models.below(model)
        typer.echo(f"{len(going):,} to delete: {', '.join(each.key[:_DIGITS] for each in going)}")
        if yes or typer.confirm("Delete?", abort=True):
            forget_model(place, model, None)


@contextmanager
def opened_workspace() -> Iterator[Workspace]:
    """The workspace on the disk, while a command works; raises Refused where none can be used."""
    from compress_core.foundation.workspace.folder import VARIABLE
    from compress_core.foundation.workspace.workspace import open_workspace

    opened = open_workspace()
    if opened.folder is None:
        raise opened.warning or Refused(
            "There is no workspace, because {variable} is empty: name a folder in it.", variable=VARIABLE
        )
    if opened.warning is not None:
        typer.echo(str(opened.warning), err=True)
    try:
        yield opened
    finally:
        opened.close()


def _rows(place: Workspace) -> list[ModelRow]:
    from compress_core.decide.model_rows import WhichNumbers, model_rows

    roots = [model for model in place.models.all() if model.parent is None]
    return [
        row
        for root in roots
        for row in model_rows(place, root.key, root.subject, WhichNumbers(), visitor=None)
    ]


def _row_of(place: Workspace, digits: str) -> ModelRow:
    found = [row for row in _rows(place) if row.model.key.startswith(digits)]
    if len(found) == 1:
        return found[0]
    raise Refused(
        "{count} models of the workspace have a key that begins with {digits}: give digits of one, see "
        "slimscope models list.",
        count=len(found),
        digits=digits,
    )


def _is_of(row: ModelRow, name: str) -> bool:
    """Whether a row is of a model with that title, or of the sample of that name."""
    from compress_core.loading.cards import cards

    titles = {name.casefold(), *(card.title.casefold() for card in cards().values() if card.name == name)}
    return row.model.name.casefold() in titles


def _number(said: Mapping[str, Any] | None) -> Number:
    return Number.missing("", "Nobody measured it.") if said is None else Number(**said)


def _row_json(row: ModelRow) -> printing.Content:
    return {"model": row.model.name, **row.said(), "tags": list(row.tags), **row.numbers}
