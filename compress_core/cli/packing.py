"""The smallest file of a model, and the way back to plain weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_core.cli import show
from compress_core.cli.applying import MODEL_FILE, refuse_to_replace_a_stranger
from compress_core.cli.arguments import (
    JsonOption,
    ModelArgument,
    OutOption,
    OwnOption,
    RecipeArgument,
    ShapeOption,
    StepOption,
    WeightsOption,
    chosen,
)
from compress_core.errors import Refused

if TYPE_CHECKING:
    from compress_core.deliver.pack import Packed
    from compress_core.model import Model

FileOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="The file to write.", show_default=False),
]
PackedArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A file that slimscope pack wrote.", show_default=False)
]


def pack(
    model: ModelArgument = None,
    recipe: RecipeArgument = None,
    out: FileOption = None,
    step: StepOption = None,
    own: OwnOption = None,
    weights: WeightsOption = None,
    input_shape: ShapeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the compressed model into the smallest file.

    Positions and codes are entropy-coded on whole numbers, so that the file decodes to exactly the
    evaluated values on any machine. It is read back before it is called written. Its bytes are shown
    beside those of every other way to store the same model, with the reason why they differ.
    """
    from compress_core.cli.loading import open_case
    from compress_core.deliver.container import container_bytes
    from compress_core.measure.sizes import sizes

    if out is None:
        raise Refused("pack needs a file to write: add --out FILE.")
    asked = chosen(model, recipe, own=own, step=step, weights=weights, items=None, input_shape=input_shape)
    case = open_case(asked)
    size = _write(case.model, out)
    rows = sizes(case.model, container_bytes(case.model), out.read_bytes())
    if as_json:
        written = show.exact(size, "byte").as_json()
        content = {"model": case.subject.name, "out": str(out), "bytes": written}
        show.print_json({**content, "sizes": [row.as_json() for row in rows]})
        return
    cells = [[row.label, show.value_of(row.number), row.number.kind, row.note] for row in rows]
    show.print_table(("", ">value", "how", "why it differs"), cells)
    typer.echo(f"\nWritten to {out}, {size:,} bytes, read back and equal to what was evaluated.")


def _write(model: Model, out: Path) -> int:
    from compress_core.deliver.pack import MAGIC, write_packed

    try:
        if out.exists() and (not out.is_file() or out.read_bytes()[: len(MAGIC)] != MAGIC):
            raise Refused(
                "{path} is there already and was not written by slimscope pack: choose another file with "
                "--out.",
                path=out,
            )
        return write_packed(model, out)
    except OSError as error:
        raise Refused(
            "{out} cannot be written ({reason}): choose another file with --out.",
            out=out,
            reason=error.strerror,
        ) from None


def unpack(file: PackedArgument, out: OutOption = None, as_json: JsonOption = False) -> None:
    """Write the plain weights of a packed file.

    Into the folder goes model.safetensors with the decoded weights under the names of the network's
    state, which torch and safetensors load without slimscope. Weights that share memory are written
    under each of their names.
    """
    from compress_core.deliver.pack import read_state

    if out is None:
        raise Refused("unpack needs a folder to write to: add --out DIR.")
    packed = read_state(file)
    size = _write_plain(packed, out)
    if as_json:
        written = {MODEL_FILE: show.exact(size, "byte").as_json()}
        names = {"model": packed.model, "digest": packed.digest, "out": str(out)}
        show.print_json(
            {**names, "tensors": len(packed.state), "structure": packed.structure, "files": written}
        )
        return
    typer.echo(f"{file}: {len(packed.state)} tensors of {packed.model}")
    if packed.structure:
        typer.echo("The network was also changed where no tensor shows it: see structure under --json.")
    typer.echo(f"Written to {out / MODEL_FILE}, {size:,} bytes.")


def _write_plain(packed: Packed, out: Path) -> int:
    from safetensors.torch import save

    from compress_core.store import write_whole

    content = save({n: t.detach().clone() for n, t in packed.state.items()}, {"slimscope": "unpacked"})
    try:
        refuse_to_replace_a_stranger(out / MODEL_FILE)
        write_whole(out / MODEL_FILE, content)
    except OSError as error:
        raise Refused(
            "{out} cannot be written ({reason}): choose another folder with --out.",
            out=out,
            reason=error.strerror,
        ) from None
    return len(content)
