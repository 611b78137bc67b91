"""The tables of a review, as frames; each file says of what model, recipe, split and how many items it is."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from compress_core.apply.lineage import read_lineage
from compress_core.decide.lineage_provenance import provenance_of_lineage
from compress_core.foundation.csv_table import Provenance
from compress_core.foundation.number import Number
from compress_core.measure.behavior.item_table import ITEM, with_file_items
from compress_core.reviews.findings import Review
from compress_core.subject.split import Split


def provenance_of(review: Review) -> Provenance:
    """What all tables of a review are of."""
    model = review.model
    return provenance_of_lineage(model.name, read_lineage(list(model.lineage)), model.split, model.n)


def tables_of(review: Review) -> Mapping[str, pd.DataFrame]:
    """Gates, classes, flips, cells and numbers, by the word that stands in the name of the file."""
    return {
        "gates": pd.DataFrame(
            [
                {
                    "outcome": each.outcome.value,
                    "measure": each.gate.measure,
                    "limit": each.gate.limit,
                    "required": each.gate.required,
                    **_columns(each.number),
                    "items_to_decide": each.items_to_decide,
                    "why": each.gate.reason,
                }
                for each in review.judged
            ]
        ),
        "classes": pd.DataFrame(
            [
                {
                    "class": row.name,
                    "accuracy_before": row.before.value,
                    "accuracy_after": row.after.value,
                    **_columns(row.change),
                    "p_holm": row.p_holm,
                    "got_worse": row.got_worse,
                }
                for row in review.classes
            ]
        ),
        "flips": pd.DataFrame([vars(flip) for flip in review.flips]),
        "flip_cells": pd.DataFrame([vars(cell) for cell in review.cells]),
        "numbers": pd.DataFrame(
            [
                {"name": row.name, "before": row.before.value, **_columns(row.after)}
                for row in (*review.numbers, *review.sizes, *review.times)
            ]
        ),
    }


def items_to_label(review: Review, split: Split) -> pd.DataFrame:
    """A row for each item on which both models disagree: item, before, after, label, or empty."""
    flips = sorted(review.flips, key=lambda flip: flip.item)
    rows = [[flip.item, str(flip.before), str(flip.after), flip.label or ""] for flip in flips]
    return with_file_items(pd.DataFrame(rows, columns=[ITEM, "before", "after", "label"]), split)


def _columns(number: Number) -> dict[str, object]:
    return {
        "value": number.value,
        "low": number.low,
        "high": number.high,
        "n": number.n,
        "unit": number.unit,
        "kind": number.kind if number.value is not None else "not measured",
        "reason": "" if number.reason is None else str(number.reason),
    }
