"""Make a file to take away and try it, in a process of its own: exporters are not made for many threads."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from compress_core.apply.model import Model
from compress_core.deliver.exports import ExportedFiles, export_files
from compress_core.foundation.knobs import Strict
from compress_core.foundation.plain_json import number_as_json, number_from_json, text_as_json, text_from_json
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.jobs.task import ResultFiles, Task
from compress_core.measure.cost.sizes import SizeRow


class FilesKnobs(Strict):
    """Which file, and on which items it is tried; without a name on none."""

    file_format: str
    split: str = "validation"


def run(
    model: Model, knobs: FilesKnobs, _seed: int, store: Store
) -> Generator[Progress, None, ExportedFiles]:
    """Make it; raises Refused where that cannot be done."""
    split = model.subject.split(knobs.split) if knobs.split else None
    return export_files(model, knobs.file_format, split, store)


def pack(made: ExportedFiles) -> ResultFiles:
    """Contents as arrays of bytes, everything else as JSON."""
    arrays = {name: np.frombuffer(content, np.uint8) for name, content in made.files.items()}
    facts = {
        "numbers": {name: number_as_json(number) for name, number in made.numbers.items()},
        "left": {name: text_as_json(reason) for name, reason in made.left.items()},
        "sizes": [_row_as_json(row) for row in made.sizes],
    }
    return ResultFiles(arrays, facts)


def unpack(packed: ResultFiles) -> ExportedFiles:
    """The reverse of `pack`."""
    facts = packed.facts
    return ExportedFiles(
        {
            name: packed.arrays[name].tobytes() for name in sorted(packed.arrays)
        },  # a file has no order of its own
        {name: number_from_json(said) for name, said in facts["numbers"].items()},
        {name: text_from_json(said) for name, said in facts["left"].items()},
        tuple(_row(said) for said in facts["sizes"]),
    )


def _row_as_json(row: SizeRow) -> dict[str, Any]:
    said = {"label": text_as_json(row.label), "note": text_as_json(row.note)}
    return {"name": row.name, "number": number_as_json(row.number), **said}


def _row(said: dict[str, Any]) -> SizeRow:
    number = number_from_json(said["number"])
    return SizeRow(said["name"], text_from_json(said["label"]), number, text_from_json(said["note"]))


FILES = Task(
    "files",
    FilesKnobs,
    lambda knobs: (knobs.split,) if knobs.split else (),
    run,
    pack,
    unpack,
    tells_names=True,
    tells_inputs=True,
)
