"""Take the small model away: the file, the recipe that made it, its numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import (
    ModelOptions,
    OutOption,
    about_a_model,
    writing,
)
from compress_core.foundation.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress_core.cli.loading import Case
    from compress_core.foundation.number import Number

MODEL_FILE, RECIPE_FILE, NUMBERS_FILE = "model.safetensors", "recipe.yaml", "numbers.json"


@about_a_model()
def apply(asked: ModelOptions, out: OutOption = None) -> None:
    """Write the compressed model, its recipe and its numbers.

    Into the folder go model.safetensors, recipe.yaml (resolved) and numbers.json. The model's file is
    read back and holds exactly the values that were evaluated.
    """
    from compress_core.cli.loading import open_case
    from compress_core.cli.numbers_json import evaluation, headline, titled

    if out is None:
        raise Refused("apply needs a folder to write to: add --out DIR.")
    case = open_case(asked)
    numbers = _numbers(case)
    content = evaluation(case, numbers)
    written = _write(case, content, out)
    if asked.as_json:
        files = {name: printing.exact(size, "byte").as_json() for name, size in written.items()}
        printing.print_json({**content, "out": str(out), "files": files})
        return
    typer.echo(headline(case))
    printing.print_table(printing.NUMBER_HEADS, printing.number_rows(titled(numbers)))
    typer.echo(f"\nWritten to {out}, read back and equal to what was evaluated:")
    printing.print_table(("file", ">bytes"), [[name, f"{size:,}"] for name, size in written.items()])


def _numbers(case: Case) -> Mapping[str, Number]:
    from compress_core.cli.numbers_json import numbers_of, numbers_without_items

    return numbers_of(case) if case.subject.splits else numbers_without_items(case)


def _write(case: Case, content: printing.Content, out: Path) -> dict[str, int]:
    """The three files with their bytes; raises Refused where the folder cannot hold them."""
    from compress_core.deliver.plain_container import write_container
    from compress_core.foundation.atomic_file import write_whole

    recipe = case.model.recipe.as_recipe().as_yaml().encode()
    numbers = (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()
    with writing(out):
        refuse_to_replace_a_stranger(out / MODEL_FILE)
        size = write_container(case.model, out / MODEL_FILE)
        write_whole(out / RECIPE_FILE, recipe)
        write_whole(out / NUMBERS_FILE, numbers)
    assert size == case.model.file_bytes, "the size that was shown is the size that was written"
    return {MODEL_FILE: size, RECIPE_FILE: len(recipe), NUMBERS_FILE: len(numbers)}


def refuse_to_replace_a_stranger(path: Path) -> None:
    """An original model may lie in the folder under the same name."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return
    try:
        with safe_open(path, "pt") as file:
            ours = "slimscope" in (file.metadata() or {})
    except (SafetensorError, OSError):
        ours = False
    if not ours:
        raise Refused(
            "{path} is there already and was not written by slimscope: choose another folder with --out.",
            path=path,
        )
