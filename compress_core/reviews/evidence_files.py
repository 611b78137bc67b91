"""A review as files: the page and its JSON, or a ZIP with all that an auditor asks for."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from compress_core.apply.model import Model
from compress_core.deliver.packed_file import pack_bytes
from compress_core.foundation.atomic_file import write_together, write_whole
from compress_core.foundation.csv_table import as_csv
from compress_core.foundation.errors import Refused
from compress_core.foundation.printable import printable
from compress_core.measure.behavior.item_table import with_file_items
from compress_core.reviews.evidence_tables import items_to_label, provenance_of, tables_of
from compress_core.reviews.findings import Review, ReviewedModel
from compress_core.reviews.report_figures import pictures_of, texts_of, waves_of
from compress_core.reviews.report_page import MOST_BYTES, report_html
from compress_core.reviews.seals import sealed

PAGE, CONTENT, RECIPE, GATES, PACKED = "report.html", "report.json", "recipe.yaml", "gates.yaml", "model.slim"
LABELS = "labels.csv"
_DAWN = (1980, 1, 1, 0, 0, 0)  # the earliest moment that a ZIP knows: the same review gives the same bytes


def page_of(review: Review, model: Model, lang: str) -> str:
    """The page with pictures of the items that changed, fewer of them where it would grow too large."""
    split = model.subject.split(review.model.split)
    changed = [flip.item for flip in review.flips]
    pictures, texts = (read(split, model.subject.input, changed) for read in (pictures_of, texts_of))
    shown = pictures or waves_of(split, model.subject, changed)
    numbers = {item: number for item in changed if (number := split.number_in_file(item)) is not None}
    page = report_html(review, shown, lang, texts, numbers)
    return page if len(page.encode()) < MOST_BYTES else report_html(review, {}, lang, numbers=numbers)


def content_of_report(review: Review) -> str:
    """The review as JSON, every field with its seal."""
    return json.dumps(sealed(review.as_json()), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def write_evidence(review: Review, model: Model, place: Path, lang: str) -> None:
    """Write FILE.html and FILE.json beside it, or FILE.zip with everything; another ending is refused.

    Both files or none: a page without its JSON cannot be verified.
    """
    match place.suffix.lower():
        case ".html":
            content = content_of_report(review).encode()
            page = page_of(review, model, lang).encode()
            write_together({place: page, place.with_suffix(".json"): content})
        case ".zip":
            write_whole(place, evidence_zip(review, model, lang))
        case ending:
            raise Refused("A report is FILE.html or FILE.zip, but got the ending {got!r}.", got=ending)


def evidence_zip(review: Review, model: Model, lang: str = "en") -> bytes:
    """Page, JSON, recipe, gates, packed file and every table as CSV; the same review gives the same bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _members(review, model, lang):
            archive.writestr(zipfile.ZipInfo(name, _DAWN), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def recipe_file(model: ReviewedModel) -> str:
    """The recipe; where more made the model, comments before it say all that did."""
    if not model.steps:
        return model.recipe
    said = [
        f"This is a part of {model.called}, which came of these, in this order:",
        *(printable(f"{name}: {what}") for name, what in model.steps),
        "Below is the latest recipe among them, if there is one.",
    ]
    return "".join([*(f"# {line}\n" for line in said), model.recipe])


def _members(review: Review, model: Model, lang: str) -> Iterator[tuple[str, bytes]]:
    yield PAGE, page_of(review, model, lang).encode()
    yield CONTENT, content_of_report(review).encode()
    yield RECIPE, recipe_file(review.model).encode()
    yield GATES, yaml.safe_dump(review.gates.as_json(), sort_keys=False, allow_unicode=True).encode()
    yield PACKED, pack_bytes(model)
    about, split = provenance_of(review), model.subject.split(review.model.split)
    if review.model.has_labels == "file":
        yield LABELS, as_csv(items_to_label(review, split), about)
    for name, table in tables_of(review).items():
        yield about.file_name(name), as_csv(with_file_items(table, split), about)
