"""The smallest file of a model, and the way back to plain weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_core.cli import printing
from compress_core.cli.applying import MODEL_FILE
from compress_core.cli.arguments import (
    ForceOption,
    JsonOption,
    ModelOptions,
    OutOption,
    about_a_model,
    writing,
)
from compress_core.foundation.errors import Refused
from compress_core.foundation.printable import printable

if TYPE_CHECKING:
    from compress_core.deliver.packed_file import PackedFile

FileOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="The file to write.", show_default=False),
]
SourceOption = Annotated[
    bool,
    typer.Option(
        "--with-source", help="Let the network go along as Python, so that the file needs no model."
    ),
]
PackedArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A file that slimscope pack wrote.", show_default=False)
]


@about_a_model(without=("split",))
def pack(
    asked: ModelOptions,
    out: FileOption = None,
    with_source: SourceOption = False,
    force: ForceOption = False,
) -> None:
    """Write the compressed model into the smallest file.

    Positions and codes are entropy-coded on whole numbers, so that the file decodes to exactly the
    evaluated values on any machine. It is read back before it is called written. Its bytes are shown
    beside those of every other way to store the same model, with the reason why they differ.
    """
    from compress_core.cli.loading import open_case
    from compress_core.face import write_files

    if out is None:
        raise Refused("pack needs a file to write: add --out FILE.")
    case = open_case(asked)
    packed = write_files.pack(case.model, out, with_source=with_source, force=force)
    size, rows = packed.bytes, packed.sizes()
    if asked.as_json:
        written = printing.exact(size, "byte").as_json()
        content = {"model": case.subject.name, "out": str(out), "bytes": written}
        printing.print_json({**content, "sizes": [row.as_json() for row in rows]})
        return
    cells = [[row.label, printing.value_of(row.number), row.number.kind, row.note] for row in rows]
    printing.print_table(("", ">value", "how", "why it differs"), cells)
    typer.echo(f"\nWritten to {out}, {size:,} bytes, read back and equal to what was evaluated.")


def unpack(
    file: PackedArgument, out: OutOption = None, force: ForceOption = False, as_json: JsonOption = False
) -> None:
    """Write the plain weights of a packed file.

    Into the folder goes model.safetensors with the decoded weights under the names of the network's
    state, which torch and safetensors load without slimscope. Weights that share memory are written
    under each of their names. Where the network went along as Python, model.py and weights.safetensors
    are written instead; nothing of it is run.
    """
    from compress_core.deliver.packed_file import read_packed_state

    if out is None:
        raise Refused("unpack needs a folder to write to: add --out DIR.")
    packed = read_packed_state(file)
    files = _write_plain(packed, out, force=force)
    if as_json:
        written = {name: printing.exact(size, "byte").as_json() for name, size in files.items()}
        names = {"model": packed.model, "digest": packed.digest, "out": str(out)}
        printing.print_json(
            {**names, "tensors": len(packed.state), "structure": packed.structure, "files": written}
        )
        return
    typer.echo(f"{file}: {len(packed.state)} tensors of {printable(packed.model)}")
    if packed.structure and not packed.architecture:
        typer.echo("The network was also changed where no tensor shows it: see structure under --json.")
    for name, size in files.items():
        typer.echo(f"Written to {out / name}, {size:,} bytes.")


def _write_plain(packed: PackedFile, out: Path, *, force: bool) -> dict[str, int]:
    """The decoded weights, and the network that takes them where it went along; bytes by file."""
    from safetensors.torch import save

    from compress_core.deliver.own_files import METADATA, marked, refuse_to_replace
    from compress_core.deliver.python_source import CODE_FILE, WEIGHTS_FILE
    from compress_core.foundation.atomic_file import write_together

    network = packed.architecture
    names = {name: name for name in packed.state} if network is None else network.names
    tensors = {name: packed.state[place].detach().clone() for name, place in names.items()}
    content = save(tensors, {METADATA: "unpacked"})
    files = {MODEL_FILE if network is None else WEIGHTS_FILE: content}
    if network is not None:
        files[CODE_FILE] = marked(CODE_FILE, network.code.encode())
    with writing(out):
        refuse_to_replace([out / name for name in files], force=force)
        write_together({out / name: written for name, written in files.items()})
    return {name: len(written) for name, written in files.items()}
