"""What a latency job found, and how it goes into a file and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from compress_core.foundation.errors import Refused
from compress_core.foundation.plain_json import number_as_json, number_from_json, text_as_json, text_from_json
from compress_core.foundation.refusal_json import refusal_as_json, refusal_from_json
from compress_core.jobs.task import ResultFiles
from compress_core.measure.speed.kernel_variants import KernelVariant, KernelVariantRow, KernelVariantTable
from compress_core.measure.speed.latency import Bar, Latency, Parity
from compress_core.measure.speed.repetitions import Repetitions
from compress_core.measure.speed.rounds import Rounds
from compress_core.measure.speed.runtime import Runtime, runtime_named


@dataclass(frozen=True, eq=False)
class Measured:
    """Bars with a reason each, variants of layers at each batch size, and how far other numbers are off.

    not_run: runtimes that do not take the model, with the reason.
    """

    latency: Latency
    reasons: tuple[str, ...]
    tables: tuple[KernelVariantTable, ...]
    parities: tuple[Parity, ...]
    not_run: tuple[tuple[Runtime, Refused], ...]

    @property
    def bars(self) -> tuple[tuple[Bar, str], ...]:
        """Every bar with its reason."""
        return tuple(zip(self.latency.bars(), self.reasons, strict=True))


def pack(found: Measured) -> ResultFiles:
    """Times as arrays, everything else as JSON."""
    arrays: dict[str, NDArray[Any]] = {}
    for batch, repetitions in found.latency.rounds.items():
        for number, rounds in enumerate(repetitions.of):
            arrays |= {f"{batch}.{number}.wall": rounds.wall, f"{batch}.{number}.cpu": rounds.cpu}
    facts = {
        "sides": [[batch, list(r.names), len(r.of)] for batch, r in found.latency.rounds.items()],
        "warnings": [text_as_json(warning) for warning in found.latency.warnings],
        "reasons": [text_as_json(reason) for reason in found.reasons],
        "tables": [table_as_json(table) for table in found.tables],
        "agreements": [parity_as_json(parity) for parity in found.parities],
        "not_run": [[runtime.name, refusal_as_json(why)] for runtime, why in found.not_run],
    }
    return ResultFiles(arrays, facts)


def unpack(packed: ResultFiles) -> Measured:
    """The reverse of `pack`."""
    arrays, facts = packed.arrays, packed.facts
    rounds = {
        int(batch): Repetitions(
            tuple(
                Rounds(tuple(names), arrays[f"{batch}.{number}.wall"], arrays[f"{batch}.{number}.cpu"])
                for number in range(processes)
            )
        )
        for batch, names, processes in facts["sides"]
    }
    return Measured(
        Latency(rounds, tuple(text_from_json(warning) for warning in facts["warnings"])),
        tuple(text_from_json(reason) for reason in facts["reasons"]),
        tuple(_table(said) for said in facts["tables"]),
        tuple(_parity(said) for said in facts["agreements"]),
        tuple((runtime_named(runtime), refusal_from_json(why)) for runtime, why in facts["not_run"]),
    )


def table_as_json(table: KernelVariantTable) -> dict[str, Any]:
    """The table of variants as plain values."""
    rows = [
        {
            "layer": row.layer,
            "variant": row.variant.value,
            "milliseconds": number_as_json(row.milliseconds),
            "ratio": number_as_json(row.ratio),
            "chosen": row.chosen,
            "reason": text_as_json(row.reason),
        }
        for row in table.rows
    ]
    return {"batch": table.batch, "layers_ratio": number_as_json(table.layers_ratio), "rows": rows}


def _table(said: Mapping[str, Any]) -> KernelVariantTable:
    rows = tuple(
        KernelVariantRow(
            row["layer"],
            KernelVariant(row["variant"]),
            number_from_json(row["milliseconds"]),
            number_from_json(row["ratio"]),
            row["chosen"],
            text_from_json(row["reason"]),
        )
        for row in said["rows"]
    )
    return KernelVariantTable(said["batch"], rows, number_from_json(said["layers_ratio"]))


def parity_as_json(parity: Parity) -> dict[str, Any]:
    """How far a runtime is from what was evaluated, as plain values."""
    numbers = {name: getattr(parity, name) for name in ("difference", "same_class", "accuracy")}
    return {"name": parity.name, **{name: number_as_json(n) for name, n in numbers.items()}}


def _parity(said: Mapping[str, Any]) -> Parity:
    return Parity(
        said["name"],
        *(number_from_json(said[name]) for name in ("difference", "same_class", "accuracy")),
    )
