"""Take the network to other programs: as code and weights, or as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import (
    ForceOption,
    ModelOptions,
    OutOption,
    about_a_model,
)
from compress_core.deliver.export_format import SOURCE, export_formats
from compress_core.foundation.errors import Refused
from compress_core.foundation.printable import printable

if TYPE_CHECKING:
    from compress_core.cli.loading import Case
    from compress_core.face.write_files import Exported


FormatOption = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="FORMAT",
        help="; ".join(f"{name} ({format_.brief})" for name, format_ in export_formats().items()) + ".",
    ),
]


@about_a_model()
def export(
    asked: ModelOptions, to: FormatOption = SOURCE, out: OutOption = None, force: ForceOption = False
) -> None:
    """Write the compressed network for torch without slimscope, or for ONNX runtimes.

    What was written is run, and compared with the network that was evaluated: a file that answers
    differently is refused.
    """
    from compress_core.cli.loading import open_case
    from compress_core.cli.numbers_json import headline
    from compress_core.deliver.input_preprocessing import preprocessing_in_words
    from compress_core.face import write_files

    if out is None:
        raise Refused("export needs a folder to write to: add --out DIR.")
    case = open_case(asked)
    exported = write_files.export(case.model, out, to, split=case.chosen.split, store=case.store, force=force)
    if asked.as_json:
        printing.print_json(_content(case, to, out, exported))
        return
    typer.echo(headline(case))
    printing.print_table(("file", ">bytes"), [[name, f"{size:,}"] for name, size in exported.files.items()])
    typer.echo(f"\n{printable(str(preprocessing_in_words(case.subject)))}\n")
    printing.print_table(printing.NUMBER_HEADS, printing.number_rows(exported.numbers.items()))
    for name, reason in exported.left.items():
        typer.echo(f"{printable(name)} stays in 32 bits: {reason}.")


def _content(case: Case, to: str, out: Path, exported: Exported) -> printing.Content:
    from compress_core.apply.lineage import lineage_as_json
    from compress_core.deliver.input_preprocessing import preprocessing_in_words

    items = len(case.split) if case.subject.splits else 0
    return {
        "model": case.subject.name,
        "recipe": {"sha": case.model.recipe.sha},
        "lineage": lineage_as_json(case.model.lineage),
        "to": to,
        "out": str(out),
        "files": {name: printing.exact(size, "byte").as_json() for name, size in exported.files.items()},
        "input": str(preprocessing_in_words(case.subject)),
        "split": case.chosen.split if items else None,
        "n": items,
        **{name: number.as_json() for name, number in exported.numbers.items()},
        "left": dict(exported.left),
    }
