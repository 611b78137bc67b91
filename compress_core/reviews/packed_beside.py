"""A trained model from the packed file that lies beside its report, where its training is nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress_core.apply.lineage import Lineage, Train
from compress_core.apply.model import Model
from compress_core.apply.run import key_of, model_of
from compress_core.apply.trained import is_kept, keep_trained
from compress_core.deliver.export_formats.packed import PACKED_FILE
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.reviews.findings import Review
from compress_core.reviews.model_files import FileBeside
from compress_core.subject.subject import Subject
from compress_core.training.packed_weights import weights_in_packed

BYTES, PACKED_BYTES = "bytes", "packed_bytes"
"""What a review calls the sizes that depend on how weights are coded."""
_PLAIN_GATE, _PACKED_GATE = "plain_file_bytes", "packed_file_bytes"


def packed_beside(report: Path, said: Review, files: tuple[FileBeside, ...]) -> Path | None:
    """The packed file of a report that lies beside it; None where there is none, or another one.

    A report that lists no files yet had its packed file beside it under one name.
    """
    if said.files is None:
        place = report.with_name(PACKED_FILE)
        return place if place.is_file() else None
    found = (file.name for file in files if file.listed_as == PACKED_FILE)
    name = next(found, None)
    return None if name is None else report.with_name(name)


@dataclass(frozen=True)
class FromPacked:
    """A reviewed model made of a packed file, in a memory of its own; what the file says of its sizes.

    The plain file codes weights in a way that a packed file does not tell, so its bytes are taken over.
    """

    model: Model
    store: Store
    length: int

    def known(self, said: Review) -> dict[str, Number]:
        """The sizes that gates ask for."""
        plain = {each.gate.measure: each.number for each in said.judged if each.gate.measure == _PLAIN_GATE}
        return {**plain, _PACKED_GATE: Number(float(self.length), "byte", "exact")}

    def with_sizes(self, again: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
        """The report made again: bytes of the plain file as they were said, of the packed one as they are."""
        plain = next((row["after"] for row in said["sizes"] if row["name"] == BYTES), None)
        rows = [self._with_size(row, plain) for row in again["sizes"]]
        return {**again, "sizes": rows}

    def _with_size(self, row: Mapping[str, Any], plain: object) -> Mapping[str, Any]:
        if row["name"] == BYTES:
            return {**row, "after": plain}
        if row["name"] == PACKED_BYTES:
            return {**row, "after": {**row["after"], "value": float(self.length)}}
        return row


def made_of_packed(path: Path | None, lineage: Lineage, subject: Subject, store: Store) -> FromPacked | None:
    """The model at the end of a lineage from its packed file, where weights of its trainings are missing.

    None where they are there, where there is no such file, and where something else was done after a
    training, of which the file does not tell what it was done to. Raises Refused for a file of another model.
    """
    first = next((at for at, done in enumerate(lineage) if isinstance(done, Train)), len(lineage))
    trainings = range(first + 1, len(lineage) + 1)
    if path is None or not all(isinstance(done, Train) for done in lineage[first:]):
        return None
    if all(is_kept(key_of(subject, lineage[:end]), store) for end in trainings):
        return None
    own = Store()  # nothing of these forms may be taken for what the training left
    weights = weights_in_packed(path, model_of(subject, lineage[:first], own))
    for end in trainings:
        keep_trained(key_of(subject, lineage[:end]), weights, own)
    return FromPacked(model_of(subject, lineage, own), own, path.stat().st_size)
