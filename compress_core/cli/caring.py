"""store: what the workspace holds; check, prune and move it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import JsonOption
from compress_core.cli.workspace_models import YesOption, opened_workspace

store = typer.Typer(rich_markup_mode=None, help="What the workspace holds: list, check, prune and move it.")
_TABLES = (
    "models",
    "evaluations",
    "trials",
    "tags",
    "notes",
    "results",
    "uploads",
    "sessions",
    "jobs",
    "files",
)


@store.command("list")
def list_store(as_json: JsonOption = False) -> None:
    """Where the workspace lies, how many rows of each kind it has, and its bytes."""
    with opened_workspace() as place:
        counts = {name: int(place.database.rows(f"SELECT count(*) FROM {name}")[0][0]) for name in _TABLES}  # noqa: S608 - ours
        held, most = place.files.bytes_held, place.files.max_bytes
        if as_json:
            sizes = {
                "bytes": printing.exact(held, "byte").as_json(),
                "most": printing.exact(most, "byte").as_json(),
            }
            printing.print_json({"folder": str(place.folder), **counts, **sizes})
            return
        typer.echo(f"{place.folder}: {held:,} bytes of files, at most {most:,}\n")
        printing.print_table(("what", ">rows"), [[name, f"{count:,}"] for name, count in counts.items()])


@store.command("check")
def check_store(
    as_json: JsonOption = False,
    repair: Annotated[bool, typer.Option("--repair", help="Let go of damaged files.")] = False,
) -> None:
    """Read every file against its digest, and every row; ends with exit code 1 where something is wrong."""
    from compress_core.foundation.workspace.checking import check, let_go_of_damaged

    with opened_workspace() as place:
        if repair:
            let_go_of_damaged(place)
        found = check(place)
        problems = [str(problem) for problem in found.problems]
        if as_json:
            printing.print_json({"files": found.files, "rows": found.rows, "problems": problems})
        else:
            typer.echo("\n".join([f"{found.files:,} files and {found.rows:,} rows were read.", *problems]))
        if problems:
            raise typer.Exit(1)


@store.command("prune")
def prune_store(
    days: Annotated[
        float | None,
        typer.Option("--days", min=0, help="Results that nobody looked at for so many days go too."),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Let go of what nobody refers to; says first what that is."""
    from compress_core.foundation.workspace.pruning import prune, to_prune

    with opened_workspace() as place:
        leaving = to_prune(place, days)
        if not leaving:
            typer.echo("There is nothing to prune.")
            return
        typer.echo(
            f"{len(leaving.files):,} files that nobody refers to ({leaving.bytes:,} bytes), "
            f"{len(leaving.strays):,} "
            f"that no row knows, and the numbers of {leaving.evaluations:,} models that are not there"
        )
        if yes or typer.confirm("Prune?", abort=True):
            prune(place, leaving)


@store.command("move")
def move_store(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is new.")],
) -> None:
    """Move the workspace, all of it or nothing; no server may be at work on it."""
    from compress_core.foundation.workspace.folder import VARIABLE
    from compress_core.foundation.workspace.moving import move

    with opened_workspace() as place:
        source = place.folder
    assert source is not None, "as opened"
    move(source, folder)
    typer.echo(f"Moved to {folder}: name it in {VARIABLE} from now on.")
