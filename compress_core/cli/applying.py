"""Take the small model away: the file, the recipe that made it, its numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import (
    ForceOption,
    ModelOptions,
    OutOption,
    about_a_model,
    printed_before_refusal,
    writing,
)
from compress_core.cli.places_to_write import refuse_unwritable
from compress_core.foundation.errors import Refused
from compress_core.foundation.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress_core.cli.loading import Case
    from compress_core.foundation.number import Number

MODEL_FILE, RECIPE_FILE, NUMBERS_FILE = "model.safetensors", "recipe.yaml", "numbers.json"


@about_a_model()
def apply(asked: ModelOptions, out: OutOption = None, force: ForceOption = False) -> None:
    """Write the compressed model, its recipe and its numbers.

    Into the folder go model.safetensors, recipe.yaml (resolved) and numbers.json. The model's file is
    read back and holds exactly the values that were evaluated, compressed weights as masks, codes and tables
    that slimscope reads in Python; export and unpack write what other programs take.
    """
    from compress_core.cli.loading import open_case
    from compress_core.cli.numbers_json import evaluation
    from compress_core.deliver.own_files import refuse_to_replace
    from compress_core.deliver.plain_reading import read_by_others

    if out is None:
        raise Refused("apply needs a folder to write to: add --out DIR.")
    with writing(out):
        refuse_to_replace([out / name for name in (MODEL_FILE, RECIPE_FILE, NUMBERS_FILE)], force=force)
    refuse_unwritable("--out", out / MODEL_FILE)
    case = open_case(asked)
    numbers = _numbers(case)
    content = evaluation(case, numbers)
    with printed_before_refusal(lambda: _print(case, content, numbers)):
        written = _write(case, content, out)
    if asked.as_json:
        files = {name: printing.exact(size, "byte").as_json() for name, size in written.items()}
        _print(case, {**content, "out": str(out), "files": files}, numbers)
        return
    _print(case, content, numbers)
    typer.echo(f"\nWritten to {out}, read back and equal to what was evaluated:")
    printing.print_table(("file", ">bytes"), [[name, f"{size:,}"] for name, size in written.items()])
    typer.echo(f"\nOther programs that open {MODEL_FILE} get, beside metadata in JSON:")
    for said in read_by_others(case.model):
        typer.echo(f"- {printable(said)}")


def _print(case: Case, content: printing.Content, numbers: Mapping[str, Number]) -> None:
    """All of it as JSON, or the numbers as a table."""
    from compress_core.cli.numbers_json import headline, print_unanswered, titled

    if case.chosen.as_json:
        printing.print_json(content)
        return
    typer.echo(headline(case))
    print_unanswered(case)
    printing.print_table(printing.NUMBER_HEADS, printing.number_rows(titled(numbers)))


def _numbers(case: Case) -> Mapping[str, Number]:
    from compress_core.cli.numbers_json import numbers_of, numbers_without_items

    return numbers_of(case) if case.subject.splits else numbers_without_items(case)


def _write(case: Case, content: printing.Content, out: Path) -> dict[str, int]:
    """The three files with their bytes; raises Refused where the folder cannot hold them."""
    from compress_core.deliver.own_files import marked
    from compress_core.deliver.plain_container import container_bytes, refuse_unless_held
    from compress_core.foundation.atomic_file import write_together

    recipe = marked(RECIPE_FILE, case.model.recipe.as_recipe().as_yaml().encode())
    numbers = marked(NUMBERS_FILE, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())
    files = {MODEL_FILE: container_bytes(case.model), RECIPE_FILE: recipe, NUMBERS_FILE: numbers}
    with writing(out):
        write_together({out / name: written for name, written in files.items()})
        refuse_unless_held(case.model, out / MODEL_FILE)
    sizes = {name: len(written) for name, written in files.items()}
    assert sizes[MODEL_FILE] == case.model.file_bytes, "the size that was shown is the size that was written"
    return sizes
