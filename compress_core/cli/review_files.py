"""The files that a review writes, checked before it looks at anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compress_core.cli.arguments import ModelOptions, writing
from compress_core.cli.places_to_write import (
    files_of,
    refuse_collisions,
    refuse_to_lose,
    refuse_twice,
    refuse_unwritable,
)
from compress_core.foundation.errors import Refused

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.reviews.findings import Review


@dataclass(frozen=True)
class ReviewFiles:
    """Where report, ZIP and list of disagreements go, each None where it is not wanted; lang of the page.

    force: whether what is there may be replaced.
    """

    report: Path | None
    zip_file: Path | None
    disagreements: Path | None
    lang: str
    force: bool = False

    def refuse_wrong(self, read: Iterable[Path]) -> None:
        """Raises Refused for a language, an ending or a place that would not do; read: what goes in."""
        from compress_core.reviews.report_language import speak

        speak(self.lang)
        self._check_endings()
        written = list(self._written())
        refuse_twice(place for place, _option in written)
        refuse_collisions(dict(written), read)
        for place, option in written:
            refuse_unwritable(option, place)
            refuse_to_lose(option, place, force=self.force)

    def _check_endings(self) -> None:
        if self.report is not None and self.report.suffix.lower() not in {".html", ".zip"}:
            raise Refused(
                "--out is FILE.html, with its JSON beside it, or FILE.zip, but got {got}: change the ending.",
                got=self.report,
            )
        if self.zip_file is not None and self.zip_file.suffix.lower() != ".zip":
            raise Refused("--zip is FILE.zip, but got {got}: change the ending.", got=self.zip_file)

    def _written(self) -> Iterator[tuple[Path, str]]:
        """Every place with the option that names it."""
        if self.report is not None:
            yield self.report, "--out"
            if self.report.suffix.lower() == ".html":
                yield self.report.with_suffix(".json"), "--out"
        if self.zip_file is not None:
            yield self.zip_file, "--zip"
        if self.disagreements is not None:
            yield self.disagreements, "--disagreements"

    def write(self, found: Review, model: Model) -> None:
        """Write report and ZIP; raises Refused where the disk does not take them."""
        from compress_core.reviews.evidence_files import write_evidence

        for place, option in ((self.report, "--out"), (self.zip_file, "--zip")):
            if place is not None:
                with writing(place, option):
                    write_evidence(found, model, place, self.lang)


def read_by(asked: ModelOptions, gates: str | None, *more: Path | None) -> Iterator[Path]:
    """Every file that a review may read."""
    yield from files_of(asked)
    yield from (Path(place) for place in (gates, *more) if place)
