"""How long the model takes in every runtime at hand, and what else speed depends on."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import (
    ModelOptions,
    about_a_model,
)

if TYPE_CHECKING:
    from compress_core.cli.loading import Case
    from compress_core.measure.speed.break_even import BreakEven
    from compress_core.measure.speed.latency import Bar
    from compress_core.tasks.latency_result import Measured

BatchOption = Annotated[
    list[int] | None,
    typer.Option("--batch", metavar="N", help="A batch size; repeat it for more. Without it 1 and 32."),
]
RoundsOption = Annotated[
    int, typer.Option("--rounds", metavar="N", min=3, max=200, help="Rounds of turns at most in a process.")
]
ProcessesOption = Annotated[
    int,
    typer.Option(
        "--processes",
        metavar="N",
        min=3,
        max=50,
        help="Processes to measure in; more give narrower intervals.",
    ),
]
VariantsOption = Annotated[
    bool,
    typer.Option(
        "--variants/--no-variants", help="Try kernel variants of each layer: sparse, gathered, int8."
    ),
]
OnnxOption = Annotated[
    bool, typer.Option("--onnx/--no-onnx", help="Measure in ONNX Runtime too; its files take a while.")
]
BreakEvenOption = Annotated[
    bool, typer.Option("--break-even", help="Measure too from which share of zeros each variant wins here.")
]


@about_a_model()
def latency(
    asked: ModelOptions,
    batch: BatchOption = None,
    rounds: RoundsOption = 9,
    processes: ProcessesOption = 8,
    variants: VariantsOption = True,
    onnx: OnnxOption = True,
    break_even: BreakEvenOption = False,
) -> None:
    """How long it takes, in turns with the original, and why.

    One thread, process time; the 95 % interval covers another start, as it is taken over several processes.
    With it: the best kernel variant of each layer, energy by a stated model, and which runtimes and chips can
    use the steps of the recipe.
    """
    from compress_core.cli.loading import open_case
    from compress_core.cli.numbers_json import headline
    from compress_core.tasks.measure_latency import LatencyKnobs, run

    case = open_case(asked)
    sizes = tuple(batch or (1, 32))
    knobs = LatencyKnobs(
        split=asked.split, batches=sizes, rounds=rounds, processes=processes, variants=variants, onnx=onnx
    )
    found = printing.with_progress(run(case.model, knobs, 0, case.store))
    wins = _break_even() if break_even else ()
    if asked.as_json:
        printing.print_json(_content(case, found, wins))
        return
    typer.echo(headline(case))
    _print_bars(found)
    _print_variants(found)
    _print_break_even(wins)
    _print_portability(case)
    _print_warnings(found)


def _break_even() -> tuple[BreakEven, ...]:
    from compress_core.measure.speed.break_even import break_even_table
    from compress_core.measure.speed.rounds import this_machine

    return printing.with_progress(break_even_table(this_machine()))


def _content(case: Case, found: Measured, wins: tuple[BreakEven, ...]) -> dict[str, Any]:
    from compress_core.apply.lineage import lineage_as_json
    from compress_core.measure.cost.energy import HOROWITZ, energy_costs

    recipe = case.model.recipe
    return {
        "model": case.subject.name,
        "split": case.chosen.split,
        "data": None if case.chosen.items is None else str(case.chosen.items),
        "recipe": {"sha": recipe.sha, **recipe.as_recipe().as_json()},
        "lineage": lineage_as_json(case.model.lineage),
        "machine": _machine(),
        "warnings": list(found.latency.warnings),
        "bars": [_bar(bar, reason) for bar, reason in found.bars],
        "not_run": {runtime.name: str(why) for runtime, why in found.not_run},
        "agreement": [_parity(found, index) for index in range(len(found.parities))],
        "variants": [_variants(found, index) for index in range(len(found.tables))],
        "break_even": [_win(row) for row in wins],
        "energy": {
            "source": HOROWITZ.source,
            **{name: number.as_json() for name, number in energy_costs(case.model, case.store).items()},
        },
        "portability": _portability(case),
    }


def _machine() -> printing.Content:
    import torch

    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": printing.exact(os.cpu_count() or 1, "core").as_json(),
        "threads": printing.exact(1, "thread").as_json(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _bar(bar: Bar, reason: str) -> printing.Content:
    return {
        "runtime": bar.runtime.name,
        "model": bar.whose,
        "batch": bar.batch,
        "milliseconds": bar.milliseconds.as_json(),
        "ratio": bar.ratio.as_json(),
        "ratio_to_torch": bar.ratio_to_torch.as_json(),
        "reason": reason,
    }


def _parity(found: Measured, index: int) -> printing.Content:
    parity = found.parities[index]
    runtime, _, whose = parity.name.partition(":")
    numbers = {
        "largest_difference": parity.difference,
        "same_class": parity.same_class,
        "accuracy": parity.accuracy,
    }
    return {"runtime": runtime, "model": whose, **{name: n.as_json() for name, n in numbers.items()}}


def _variants(found: Measured, index: int) -> printing.Content:
    table = found.tables[index]
    rows = [
        {
            "layer": row.layer,
            "variant": row.variant.value,
            "milliseconds": row.milliseconds.as_json(),
            "ratio": row.ratio.as_json(),
            "chosen": row.chosen,
            "reason": row.reason,
        }
        for row in table.rows
    ]
    return {"batch": table.batch, "layers_ratio": table.layers_ratio.as_json(), "layers": rows}


def _win(row: BreakEven) -> printing.Content:
    return {
        "shape": list(row.shape),
        "batch": row.batch,
        "variant": row.variant.value,
        "wins_from": row.wins_from.as_json(),
        "ratios": [
            {"sparsity": printing.exact(sparsity, "share").as_json(), "ratio": ratio.as_json()}
            for sparsity, ratio in row.ratios
        ],
    }


def _portability(case: Case) -> list[printing.Content]:
    from compress_core.measure.cost.portability import usable

    return [
        {
            "target": row.target.id,
            "title": row.target.title,
            "technique": row.step.technique,
            "stage": row.step.stage.name.lower(),
            "layers": list(row.step.layers),
            "use": row.use,
            "why": row.why,
            "source": row.source,
        }
        for row in usable(case.model)
    ]


def _print_bars(found: Measured) -> None:
    heads = ("runtime", "model", ">batch", ">time (95 %)", ">times faster (95 %)", "why")
    rows = [
        [
            bar.runtime.title,
            bar.whose,
            str(bar.batch),
            printing.with_interval(bar.milliseconds),
            printing.with_interval(bar.ratio),
            reason,
        ]
        for bar, reason in found.bars
    ]
    printing.print_table(heads, rows)
    for runtime, why in found.not_run:
        typer.echo(f"Not measured in {runtime.title}: {why}")
    for parity in found.parities:
        typer.echo(
            f"{parity.name}: {printing.value_of(parity.same_class)} of the answers are as evaluated, "
            f"largest difference {printing.value_of(parity.difference)}, "
            f"accuracy {printing.value_of(parity.accuracy)} there (N = {parity.accuracy.n or 0:,})."
        )


def _print_variants(found: Measured) -> None:
    for table in found.tables:
        typer.echo(f"\nForms of layers at a batch of {table.batch}:")
        heads = ("layer", "variant", ">time", ">times faster (this process)", "", "why")
        rows = [
            [
                row.layer,
                row.variant.title,
                printing.value_of(row.milliseconds),
                printing.with_interval(row.ratio),
                "chosen" if row.chosen else "",
                row.reason,
            ]
            for row in table.rows
        ]
        printing.print_table(heads, rows)
        if table.layers_ratio.value is not None:
            typer.echo(
                f"These layers alone are {printing.with_interval(table.layers_ratio)} as fast as dense ones."
            )


def _print_break_even(wins: tuple[BreakEven, ...]) -> None:
    if not wins:
        return
    typer.echo("\nFrom which share of zeros a variant is surely faster than a dense layer on this machine:")
    rows = [
        [
            "x".join(map(str, row.shape)),
            str(row.batch),
            row.variant.title,
            printing.value_of(row.wins_from),
            *(printing.value_of(ratio) for _, ratio in row.ratios),
        ]
        for row in wins
    ]
    shares = (f">{sparsity:.0%}" for sparsity, _ in wins[0].ratios)
    printing.print_table(("out x in", ">batch", "variant", ">from", *shares), rows)


def _print_portability(case: Case) -> None:
    rows = [[row["title"], row["technique"], row["use"], row["why"]] for row in _portability(case)]
    if rows:
        typer.echo("\nWhat other runtimes and chips can use of this recipe (--json names the sources):")
        printing.print_table(
            ("target", "technique", "use", "why"), [[str(cell) for cell in row] for row in rows]
        )


def _print_warnings(found: Measured) -> None:
    for warning in found.latency.warnings:
        typer.echo(f"\nWarning: {warning}")
