"""scan: what each layer bears, measured by compressing it alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import ModelOptions, about_a_model
from compress_core.foundation.errors import Refused

if TYPE_CHECKING:
    from compress_core.cli.loading import Case
    from compress_core.decide.sensitivity import ScanPoint, Sensitivity
    from compress_core.foundation.store import Store

PointsOption = Annotated[
    int | None,
    typer.Option(
        "--points", metavar="N", help="Degrees of each family on each place; 5 unless said otherwise."
    ),
]
FamiliesOption = Annotated[
    str | None,
    typer.Option(
        "--families",
        metavar="LIST",
        help="prune, structure, rank and bits, separated by commas; all unless said otherwise.",
        show_default=False,
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="1/2",
        help="Measure only this part of the points; the parts meet in the workspace.",
        show_default=False,
    ),
]
SecondsOption = Annotated[
    float | None,
    typer.Option(
        "--seconds",
        metavar="S",
        help="Stop after so long with what there is; the same command goes on from there.",
        show_default=False,
    ),
]
SampleOption = Annotated[
    int | None,
    typer.Option(
        "--sample",
        metavar="N",
        help="On how many items each point is measured at first; 500 unless said otherwise.",
        show_default=False,
    ),
]
MergeOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--merge",
        metavar="DIR",
        help="Take over first what was scanned in another workspace; repeat it for more.",
        show_default=False,
    ),
]


@about_a_model(without=("split",))
def scan(
    asked: ModelOptions,
    points: PointsOption = None,
    families: FamiliesOption = None,
    sample: SampleOption = None,
    shard: ShardOption = None,
    seconds: SecondsOption = None,
    merge: MergeOption = None,
) -> None:
    """What each layer or group of channels bears: each is compressed alone, on validation items.

    Each point is kept in the workspace at once, so what was interrupted goes on. A point is measured on a
    sample first, and on all items where its interval does not say one word: low below 0.01 nat of KL
    divergence, high from 0.1 nat on. What hurts most at its middle degree comes first.
    """
    from compress_core.cli.loading import open_case
    from compress_core.decide.scan import scan as scanned
    from compress_core.decide.scan_plan import ScanPlan
    from compress_core.foundation.declared_knobs import validated
    from compress_core.foundation.workspace.folder import VARIABLE

    said: dict[str, object] = {"points": points, "sample": sample, "shard": shard, "seconds": seconds}
    if families is not None:
        said["families"] = [family.strip() for family in families.split(",")]
    plan = validated("scan", ScanPlan, {name: value for name, value in said.items() if value is not None})
    case = open_case(asked)
    for folder in merge or ():
        _merge(folder, case.store)
    not_kept: list[Refused] = []
    found = printing.with_progress(scanned(case.model, plan, case.store, not_kept=not_kept.append))
    _print(case, found)
    if not_kept:
        raise Refused(
            "{count:,} of these measurements are printed and not kept, so that they would be made again. "
            "{reason} Or name another folder in {variable}.",
            count=len(not_kept),
            reason=str(not_kept[0]),
            variable=VARIABLE,
        )


def _merge(folder: Path, store: Store) -> None:
    from compress_core.foundation.workspace.database import NAME
    from compress_core.foundation.workspace.workspace import Workspace

    if not (folder / NAME).is_file():
        raise Refused(
            "{folder} holds no workspace: name the folder in which another scan ran.", folder=folder
        )
    if store.workspace is None:
        raise Refused(
            "Nothing is kept without a workspace: set SLIMSCOPE_WORKSPACE to a folder to merge into."
        )
    other = Workspace.at(folder)
    taken = store.workspace.scans.take_from(other.scans)
    other.close()
    typer.echo(f"{taken:,} points taken over from {folder}", err=True)


def _print(case: Case, found: Sensitivity) -> None:
    from compress_core.cli.numbers_json import headline
    from compress_core.decide.scan_words import HIGH_FROM, LOW_BELOW, by_hurt, meant_by_kl, notes_on

    curves = by_hurt(found.curves)
    if case.chosen.as_json:
        said = {"model": case.subject.name, "parent": found.parent, "split": found.split, "n": found.n}
        borders = {"low_below": LOW_BELOW, "high_from": HIGH_FROM, "unit": "nat"}
        points = [_with_word(point) for curve in curves for point in curve.points]
        printing.print_json({**said, "items": found.items, "borders": borders, "points": points})
        return
    typer.echo(headline(case))
    heads = ("place", "family", ">value", "sensitivity", ">KL, nat", ">accuracy", ">N", ">packed", "")
    rows = [_row(point) for curve in curves for point in curve.points]
    printing.print_table(heads, rows)
    typer.echo(f"\nlow: KL below {LOW_BELOW} nat; high: from {HIGH_FROM} nat on.")
    meant = meant_by_kl(case.subject.answers)
    if meant is not None:
        typer.echo(str(meant))
    for note in (note for curve in curves for note in notes_on(curve)):
        typer.echo(str(note))


def _with_word(point: ScanPoint) -> dict[str, object]:
    from compress_core.decide.scan_words import level_of

    word = None if point.kl.value is None else level_of(point.kl.value).value
    return {
        "place": point.place,
        "family": point.family.value,
        "value": point.value,
        "steps": [step.as_json() for step in point.steps],
        "model": point.model,
        "sensitivity": word,
        "kl": point.kl.as_json(),
        "accuracy_change": point.accuracy_change.as_json(),
        "packed_bytes": point.packed_bytes,
        "parameters": point.parameters,
        "macs": point.macs,
    }


def _row(point: ScanPoint) -> list[str]:
    from compress_core.decide.scan_words import level_of

    kl, change = point.kl, point.accuracy_change
    if kl.value is None:
        return [point.place, point.family.value, "", "", "", "", "", "", f"not measured: {kl.reason}"]
    return [
        point.place,
        point.family.value,
        f"{point.value:g}",
        level_of(kl.value).value,
        printing.with_interval(kl),
        printing.with_interval(change),
        f"{kl.n:,}",
        f"{point.packed_bytes:,}",
        "" if kl.no_interval is None else str(kl.no_interval),
    ]
