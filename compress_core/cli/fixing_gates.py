"""gates: what a review will ask for, read and fixed before anybody looks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import JsonOption
from compress_core.foundation.printable import printable

if TYPE_CHECKING:
    from compress_core.reviews.gate import Gates

GatesArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE.yaml", help="Gates to check; without it, those that come along.", show_default=False
    ),
]


def gates(name: GatesArgument = None, as_json: JsonOption = False) -> None:
    """Check gates and fix them: the workspace notes since when they are as they are. Looks at no model.

    Do it before anybody looks at test items: a review says whether it was so.
    """
    from compress_core.cli.loading import open_store
    from compress_core.reviews.gate_file import gates_named
    from compress_core.reviews.looks_at_test import fix_gates

    found = gates_named(name) if name is not None else None
    since = None if found is None else fix_gates(found, open_store())
    if as_json:
        printing.print_json(_told(found, since))
    elif found is None:
        _print_measures()
    else:
        _print_gates(found, since)


def _told(found: Gates | None, since: float | None) -> printing.Content:
    from compress_core.reviews.gate_file import read_gates, ready_made_gates
    from compress_core.reviews.measure import review_measures

    return {
        "gates": None if found is None else {"sha": found.sha, "since": since, **found.as_json()},
        "ready_made": {key: read_gates(text).as_json() for key, text in ready_made_gates().items()},
        "measures": {
            m.name: {
                "unit": m.unit,
                "better": m.direction,
                "limits": m.limits.as_json(),
                "summary": m.summary,
            }
            for m in review_measures().values()
        },
    }


def _print_measures() -> None:
    from compress_core.reviews.gate_file import ready_made_gates
    from compress_core.reviews.measure import review_measures

    rows = [
        [m.name, m.unit, m.direction, str(m.limits.in_words()), m.summary] for m in review_measures().values()
    ]
    printing.print_table(("measure", "unit", "better", "limit", "what it says"), rows)
    typer.echo(f"\nReady-made gates: {', '.join(ready_made_gates())}.")


def _print_gates(found: Gates, since: float | None) -> None:
    from compress_core.reviews.verdict_reason import ONLY_ADVISORY

    typer.echo(f"{found.title or 'Own gates'}, sha-256 {found.sha}")
    for gate in found.gates:
        kind = "required" if gate.required else "advisory"
        typer.echo(f"- {found.in_words(gate)} ({kind}) {printable(gate.reason)}".rstrip())
    if not found.gates:
        typer.echo("There is no gate in it, so nothing passes it.")
    elif not any(gate.required for gate in found.gates):
        typer.echo(ONLY_ADVISORY)
    moment = None if since is None else datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
    typer.echo("Not noted: there is no workspace." if moment is None else f"Fixed since {moment}.")
