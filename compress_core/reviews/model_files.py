"""The files of a reviewed model, told by their sha-256, and whether a file in hand is one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from compress_core.apply.model import Model
from compress_core.deliver.export_formats.packed import PACKED_FILE
from compress_core.deliver.packed_file import pack_bytes
from compress_core.deliver.plain_container import container_bytes
from compress_core.foundation.errors import Refused
from compress_core.reviews.findings import ModelFile, Review

PLAIN_FILE = "model.safetensors"


def files_of(model: Model) -> tuple[ModelFile, ...]:
    """The files that are quickly made: plain and packed, whose bytes follow from the model alone."""
    return (listed(PLAIN_FILE, container_bytes(model)), listed(PACKED_FILE, pack_bytes(model)))


def listed(name: str, content: bytes) -> ModelFile:
    """A file as a report lists it."""
    return ModelFile(name, len(content), hashlib.sha256(content).hexdigest())


def with_files(review: Review, more: tuple[ModelFile, ...]) -> Review:
    """The review with further files of its model, each once."""
    return replace(review, files=tuple(dict.fromkeys((*(review.files or ()), *more))))


def signed_for(review: Review) -> Review:
    """The review whose decision, where there is one, speaks of the files that it lists now."""
    if not review.decision.decision:
        return review
    digests = tuple(file.sha256 for file in review.files or ())
    return replace(review, decision=replace(review.decision, files=digests))


@dataclass(frozen=True)
class FileBeside:
    """A file that lies beside a report: what its bytes are, and what the report lists.

    listed_as: the name under which the report lists these bytes; expected: the sha-256 that it lists under
    the name of this file. Each is None where it lists nothing of the kind.
    """

    name: str
    sha256: str
    listed_as: str | None
    expected: str | None

    @property
    def differs(self) -> bool:
        """Whether it is called like a file of the report and is another one."""
        return self.listed_as is None and self.expected is not None


def files_beside(report: Path, review: Review) -> tuple[FileBeside, ...]:
    """The files beside a report that are called as it lists them, or end like these. Raises Refused."""
    return tuple(_beside(report.parent, review.files or ()))


def _beside(folder: Path, files: tuple[ModelFile, ...]) -> Iterator[FileBeside]:
    by_digest = {file.sha256: file.name for file in files}
    by_name: Mapping[str, str] = {file.name: file.sha256 for file in files}
    endings = {Path(file.name).suffix for file in files}
    for path in sorted(folder.iterdir()):
        if path.suffix in endings and path.is_file():
            found = _digest_of(path)
            yield FileBeside(path.name, found, by_digest.get(found), by_name.get(path.name))


def _digest_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Refused(
            "{path} lies beside the report and cannot be read ({reason}): move it away.",
            path=path,
            reason=error.strerror,
        ) from None
