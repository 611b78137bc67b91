"""budget: the recipe that fits what must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import (
    ForceOption,
    LockedOption,
    ModelOptions,
    about_a_model,
    printed_before_refusal,
    refuse_a_recipe,
    writing,
)
from compress_core.cli.places_to_write import files_of, refuse_collisions, refuse_unwritable
from compress_core.foundation.errors import Refused

if TYPE_CHECKING:
    from compress_core.cli.loading import Case
    from compress_core.decide.budgeting import Budgeted, BudgetPlan
    from compress_core.foundation.number import Number

_ENDINGS = (".yaml", ".yml")

BytesOption = Annotated[
    int | None, typer.Option("--packed-bytes", metavar="N", help="The packed file has at most so many bytes.")
]
BitsOption = Annotated[
    float | None,
    typer.Option("--bits-per-weight", metavar="X", help="Packed bits for each weight as loaded."),
]
ParametersOption = Annotated[
    int | None, typer.Option("--parameters", metavar="N", help="At most so many weights are not zero.")
]
MacsOption = Annotated[
    int | None, typer.Option("--macs", metavar="N", help="At most so many multiply-accumulates for one item.")
]
TimeOption = Annotated[
    float | None,
    typer.Option(
        "--milliseconds",
        metavar="MS",
        help="One item takes at most so long in torch here, estimated on its multiplications.",
    ),
]
DropOption = Annotated[
    float | None, typer.Option("--largest-drop", metavar="POINTS", help="Accuracy falls by at most so much.")
]
ClassOption = Annotated[
    float | None, typer.Option("--worst-class", metavar="POINTS", help="No class falls by more than this.")
]
AimOption = Annotated[
    str,
    typer.Option("--optimize", metavar="WHAT", help="kl, or within a drop packed_bytes, parameters or macs."),
]
MutationsOption = Annotated[
    int, typer.Option("--evaluations", metavar="N", help="How many mutations of the answer are measured.")
]
TriedFamiliesOption = Annotated[
    str,
    typer.Option("--families", metavar="LIST", help="prune, structure, rank and bits, separated by commas."),
]
WriteOption = Annotated[
    Path | None,
    typer.Option("--write", metavar="FILE.yaml", help="Write the recipe there.", show_default=False),
]


@about_a_model(without=("split",))
def budget(
    asked: ModelOptions,
    packed_bytes: BytesOption = None,
    bits_per_weight: BitsOption = None,
    parameters: ParametersOption = None,
    macs: MacsOption = None,
    milliseconds: TimeOption = None,
    largest_drop: DropOption = None,
    worst_class: ClassOption = None,
    optimize: AimOption = "kl",
    evaluations: MutationsOption = 40,
    families: TriedFamiliesOption = "prune,rank,bits",
    locked: LockedOption = None,
    write: WriteOption = None,
    force: ForceOption = False,
) -> None:
    """The recipe of least divergence that fits a budget of bytes, weights or MACs, or the smallest in a drop.

    Each layer is compressed alone first (see slimscope scan; what was measured is not measured again). Then
    the budget is solved, and mutations of the answer that keep the cost are really measured on validation
    items. A budget that no recipe reaches is refused before anything is evaluated. With --optimize
    packed_bytes and --largest-drop 1 the smallest file is sought that loses one point at most. Ends with 1
    where a drop or a time does not hold, and --write then writes nothing.
    """
    from compress_core.cli.loading import open_case
    from compress_core.decide.budgeting import budgeted
    from compress_core.decide.known_places import refuse_unknown

    refuse_a_recipe(asked, "budget")
    said = {
        "packed_bytes": packed_bytes,
        "bits_per_weight": bits_per_weight,
        "parameters": parameters,
        "macs": macs,
        "milliseconds": milliseconds,
        "largest_drop": largest_drop,
        "worst_class": worst_class,
        "optimize": optimize,
    }
    plan = _plan(said, families, locked or [], evaluations)
    if write is not None:
        _refuse_place(write, asked, force=force)
    case = open_case(asked)
    refuse_unknown(locked or (), case.model)
    found = printing.with_progress(budgeted(case.model, plan, case.store))
    if write is not None and found.holds:
        with printed_before_refusal(lambda: _print(case, found)):
            _write(found, write)
    _print(case, found)
    if not found.holds:
        if write is not None:
            typer.echo(f"{write} is not written.", err=True)
        raise typer.Exit(1)


def _refuse_place(place: Path, asked: ModelOptions, *, force: bool) -> None:
    """Raises Refused where no recipe can be written, or would replace what others wrote or what is read."""
    from compress_core.deliver.own_files import refuse_to_replace

    refuse_unwritable("--write", place)
    if place.suffix not in _ENDINGS:
        raise Refused("--write is FILE.yaml, but got {got}: change the ending.", got=place)
    refuse_collisions({place: "--write"}, files_of(asked))
    refuse_to_replace([place], force=force)


def _plan(said: Mapping[str, object], families: str, locked: Sequence[str], evaluations: int) -> BudgetPlan:
    """What shall hold and what is tried, checked; raises Refused."""
    from compress_core.decide.budgeting import BudgetPlan
    from compress_core.decide.requirements import Requirements
    from compress_core.decide.scan_plan import ScanPlan
    from compress_core.foundation.declared_knobs import validated

    wanted = {name: value for name, value in said.items() if value is not None}
    tried = {"families": [family.strip() for family in families.split(",")], "locked": [*locked]}
    return validated(
        "budget",
        BudgetPlan,
        {
            "requirements": validated("budget", Requirements, wanted),
            "scan": validated("scan", ScanPlan, tried),
            "evaluations": evaluations,
        },
    )


def _write(found: Budgeted, place: Path) -> None:
    """The recipe as a file."""
    from compress_core.deliver.own_files import marked
    from compress_core.foundation.atomic_file import write_whole

    with writing(place, "--write"):
        write_whole(place, marked("recipe.yaml", found.model.recipe.yaml.encode()))


def _print(case: Case, found: Budgeted) -> None:
    """What holds, what it costs, and what became of each place; or all of it as JSON."""
    from compress_core.decide.budget_found import BudgetFound

    told = BudgetFound.of(found)
    if case.chosen.as_json:
        printing.print_json(
            {
                "model": case.subject.name,
                "sha": found.model.recipe.sha,
                **told.as_json(),
                "numbers": {name: number.as_json() for name, number in told.numbers.items()},
                "places": found.rows(),
            }
        )
        return
    if case.chosen.trained is not None:
        typer.echo(f"Every change is one against the trained model in {case.chosen.trained}.")
    _print_costs(found)
    _print_answers(found, told.numbers)
    _print_places(found)


def _print_costs(found: Budgeted) -> None:
    for resource, cost in found.checked.solution.cost.items():
        limit = found.limits.get(resource)
        typer.echo(f"{resource.label}: {cost:,.0f}" + ("" if limit is None else f" of {limit:,.0f}"))


def _print_answers(found: Budgeted, told: Mapping[str, Number]) -> None:
    from compress_core.foundation.number import fixed

    polished = found.polished
    if "milliseconds" in told:
        typer.echo(f"milliseconds of one item in torch {printing.with_interval(told['milliseconds'])}")
    typer.echo(f"KL on validation items {printing.with_interval(told['kl'])}")
    typer.echo(
        f"on the way: KL {polished.before:.4f} nat as solved, {polished.after:.4f} after "
        f"{polished.evaluations} mutations, before limits were checked"
    )
    if "accuracy_change" in told:
        change = printing.with_interval(told["accuracy_change"])
        typer.echo(f"accuracy change on validation items {change}")
    if found.checked.worst_class is not None:
        worst = fixed(found.checked.worst_class, 2)
        typer.echo(f"the class that loses most loses {worst} points")
    if not found.holds:
        typer.echo("The drop or the time does not hold within these limits: no better recipe was found.")


def _print_places(found: Budgeted) -> None:
    rows = [
        [
            str(row["place"]),
            "; ".join(" ".join(f"{value}" for value in step.values()) for step in row["steps"]) or "as it is",
            f"{row['bytes']:,.0f}",
            f"{row['kl']:.5f}",
            *("" if row[name] is None else f"{row[name]:.2e}" for name in ("price_milder", "price_harder")),
        ]
        for row in found.rows()
    ]
    heads = ("place", "steps", ">bytes", ">KL, nat", ">nat/byte milder", ">nat/byte harder")
    printing.print_table(heads, rows)
