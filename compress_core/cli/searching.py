"""search: the best trade-offs among all recipes, most of them only estimated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import LockedOption, ModelOptions, SeedOption, about_a_model, refuse_a_recipe
from compress_core.foundation.errors import Refused

if TYPE_CHECKING:
    from compress_core.cli.loading import Case
    from compress_core.decide.search_plan import SearchPlan
    from compress_core.decide.searched import Search

TrialsOption = Annotated[
    int | None,
    typer.Option(
        "--trials", metavar="N", help="How many recipes are looked at; 200 if left out.", show_default=False
    ),
]
EvaluationsOption = Annotated[
    int | None,
    typer.Option(
        "--evaluations",
        metavar="K",
        help="How many of them, the most promising, are really evaluated; 24 if left out.",
        show_default=False,
    ),
]
ObjectivesOption = Annotated[
    str | None,
    typer.Option(
        "--objectives",
        metavar="A,B",
        help="What is made better at once, of accuracy, kl, packed_bytes and macs; accuracy,packed_bytes if "
        "left out, kl,packed_bytes where there is no accuracy.",
        show_default=False,
    ),
]
SamplerOption = Annotated[
    str | None,
    typer.Option(
        "--sampler",
        metavar="SAMPLER",
        help="nsga2 crosses good recipes, tpe models where good ones lie; nsga2 if left out.",
        show_default=False,
    ),
]


@about_a_model()
def search(
    asked: ModelOptions,
    trials: TrialsOption = None,
    evaluations: EvaluationsOption = None,
    objectives: ObjectivesOption = None,
    sampler: SamplerOption = None,
    locked: LockedOption = None,
    seed: SeedOption = 0,
) -> None:
    """Search all recipes for the best trade-offs: estimate many, run the promising ones.

    Estimates come from a scan of each layer alone, which is made first where it is not known. What was run
    is kept in the workspace, so a search that was interrupted goes on where it was and ends the same.
    """
    from compress_core.cli.loading import open_case
    from compress_core.decide.known_places import refuse_unknown
    from compress_core.decide.search_plan import suited
    from compress_core.tasks.search_recipes import SEARCH

    refuse_a_recipe(asked, "search")
    if asked.split != "validation":
        raise Refused("A search chooses, so it looks at validation items alone: leave --split out.")
    told = {"trials": trials, "evaluations": evaluations, "sampler": sampler, "locked": locked}
    told |= {"objectives": None if objectives is None else [word.strip() for word in objectives.split(",")]}
    plan = _plan({name: value for name, value in told.items() if value is not None})
    case = open_case(asked)
    if objectives is None:
        plan = plan.model_copy(update={"objectives": suited(plan.objectives, case.subject, "validation")})
    refuse_unknown(locked or (), case.model)
    found = printing.with_progress(SEARCH.run(case.model, plan, seed, case.store))
    _print(case, found)


def _plan(told: dict[str, Any]) -> SearchPlan:
    import json

    from pydantic import ValidationError

    from compress_core.decide.search_plan import SearchPlan

    try:
        return SearchPlan.model_validate_json(json.dumps(told))
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]) if first["loc"] else "search"
        raise Refused(
            "--{option}: {reason}. See slimscope search --help.", option=option, reason=str(first["msg"])
        ) from None


def _print(case: Case, found: Search) -> None:
    from compress_core.cli.numbers_json import headline
    from compress_core.tasks.search_recipes import evaluated_as_json, search_as_json

    front = [each.evaluated for each in found.front if each.evaluated is not None]
    if case.chosen.as_json:
        said = search_as_json(found)
        said |= {"searched": found.searched, "evaluated": len(found.evaluated)}
        printing.print_json({**said, "front": [evaluated_as_json(each) for each in front]})
        return
    typer.echo(headline(case))
    typer.echo(
        f"Searched {found.searched:,} recipes, evaluated {len(found.evaluated):,} on N = {found.n:,} "
        f"{found.split} items, beginning with {found.begun_with} that a budget's solver says; those that no "
        "other beats:\n"
    )
    heads = ("model", *(str(objective.label) for objective in found.plan.objectives))
    rows = [
        [each.model[:12], *(printing.with_interval(each.numbers[o]) for o in found.plan.objectives)]
        for each in front
    ]
    printing.print_table(heads, rows)
    for sentence in _did_not_count(found):
        typer.echo(f"\n{sentence}")


def _did_not_count(found: Search) -> Iterator[str]:
    """Why fewer recipes were searched than there were trials."""
    if found.again:
        yield (
            f"{found.again:,} of the {len(found.looked):,} trials proposed a recipe that an earlier one had "
            "proposed already: each counts once."
        )
    if found.refused:
        count, reason = len(found.refused), found.refused[0].refused
        yield f"{count:,} recipes could not be made, the first one because: {reason}"
