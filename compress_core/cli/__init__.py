"""The command line, twin of the page: one file for each group of commands."""

from __future__ import annotations

from compress_core.cli.applying import apply
from compress_core.cli.budgeting_model import budget
from compress_core.cli.caring import store
from compress_core.cli.commands import app
from compress_core.cli.exporting import export
from compress_core.cli.fixing_gates import gates
from compress_core.cli.listing import layers, techniques
from compress_core.cli.measuring import compare, evaluate, explain
from compress_core.cli.packing import pack, unpack
from compress_core.cli.reviewing import review
from compress_core.cli.scanning import scan
from compress_core.cli.searching import search
from compress_core.cli.serving_model import open_model
from compress_core.cli.timing import latency
from compress_core.cli.training import WithKnobs, methods, train
from compress_core.cli.verifying import verify
from compress_core.cli.workspace_models import known_models

for command in (
    techniques,
    methods,
    layers,
    apply,
    export,
    pack,
    unpack,
    evaluate,
    compare,
    explain,
    latency,
    search,
    scan,
    budget,
    review,
    verify,
    gates,
):
    app.command()(command)
app.add_typer(known_models, name="models")
app.add_typer(store, name="store")
app.command("train", cls=WithKnobs)(train)
app.command("open")(open_model)


def main() -> None:
    """The program `slimscope`."""
    app(prog_name="slimscope")
