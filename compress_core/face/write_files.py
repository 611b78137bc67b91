"""pack and export: a model becomes files that were read back, or run, before they are called written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from compress_core.apply.model import Model
from compress_core.deliver.export_format import SOURCE
from compress_core.deliver.exports import export_files
from compress_core.deliver.own_files import refuse_to_replace
from compress_core.deliver.packed_file import write_packed
from compress_core.deliver.plain_container import container_bytes
from compress_core.deliver.python_source import model_source
from compress_core.face.checked_arguments import checked_model, checked_name, checked_path
from compress_core.face.measure_model import VALIDATION
from compress_core.face.number_frame import number_frame
from compress_core.face.shared_store import shared_store
from compress_core.foundation.atomic_file import write_together
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.measure.cost.sizes import SizeRow, byte_sizes
from compress_core.subject.subject import Subject


@dataclass(frozen=True, eq=False)
class Packed:
    """A packed file as written; a notebook shows its bytes beside those of every other way to store it."""

    model: Model
    path: Path
    bytes: int

    def sizes(self) -> tuple[SizeRow, ...]:
        """Every way to count the bytes of the model, and why it differs."""
        return byte_sizes(self.model, container_bytes(self.model), self.path.read_bytes())

    def frame(self) -> pd.DataFrame:
        """A row for each way to count bytes: what, value, unit, how, why."""
        rows = [
            (str(row.label), row.number.value, row.number.unit, row.number.kind, str(row.note))
            for row in self.sizes()
        ]
        return pd.DataFrame(rows, columns=["what", "value", "unit", "how", "why"])

    def _repr_html_(self) -> str:
        return self.frame().to_html(index=False, na_rep="")


@dataclass(frozen=True, eq=False)
class Exported:
    """The files of an export with their bytes, what they answered when run, and what stays in 32 bits."""

    folder: Path
    files: Mapping[str, int]
    numbers: Mapping[str, Number]
    left: Mapping[str, str]

    def frame(self) -> pd.DataFrame:
        """A row for each number that was measured with the files: value, low, high, unit, n, how, reason."""
        return number_frame(self.numbers)

    def _repr_html_(self) -> str:
        return self.frame().to_html(na_rep="")


def pack(
    model: Model | Subject, path: str | Path, *, with_source: bool = False, force: bool = False
) -> Packed:
    """Write the smallest file of a model; it decodes to exactly the values that were evaluated, anywhere.

    with_source lets the network go along as Python, so that `slimscope unpack` needs nothing else. The file
    is read back before it is called written. Raises Refused where a file that slimscope did not write
    stands in the way, unless force lets it be replaced, or where the place cannot be written.

        pack(small, "small.slim").bytes
    """
    made, place = checked_model(model, "pack"), checked_path(path)
    try:
        refuse_to_replace([place], force=force)
        size = write_packed(made, place, model_source(made) if with_source else None)
    except OSError as error:
        raise Refused(
            "{out} cannot be written ({reason}): choose another file.", out=place, reason=error.strerror
        ) from None
    return Packed(made, place, size)


def export(
    model: Model | Subject,
    folder: str | Path,
    to: str = SOURCE,
    *,
    split: str = VALIDATION,
    store: Store | None = None,
    force: bool = False,
) -> Exported:
    """Write a model for other programs, run what was written, and compare it with what was evaluated.

    to: "source" (model.py and weights, for torch alone), "onnx" (32 bits), "int8" (ONNX with the recipe's
    codes) or another of `deliver.export_formats`. Raises Refused where the network or its recipe cannot be
    written so, where files that slimscope did not write stand in the way, unless force lets them be
    replaced, or where the folder cannot be written.

        export(small, "small_onnx", "onnx").frame()
    """
    given, place = checked_model(model, "export"), checked_path(folder)
    items = given.subject.split(checked_name("split", split)) if given.subject.splits else None
    made = result_of(export_files(given, checked_name("to", to), items, store or shared_store()))
    try:
        refuse_to_replace([place / name for name in made.files], force=force)
        write_together({place / name: content for name, content in made.files.items()})
    except OSError as error:
        raise Refused(
            "{out} cannot be written ({reason}): choose another folder.", out=place, reason=error.strerror
        ) from None
    return Exported(place, {name: len(found) for name, found in made.files.items()}, made.numbers, made.left)
