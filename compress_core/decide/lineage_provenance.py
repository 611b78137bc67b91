"""What a download says of the model that its numbers are of: recipe, history and name."""

from __future__ import annotations

from compress_core.apply.lineage import Lineage, history_sha, recipe_sha_of
from compress_core.decide.operation_words import name_in_file_name
from compress_core.foundation.csv_table import UNCHANGED, Provenance


def provenance_of_lineage(
    model: str, lineage: Lineage, split: str = "", items: int | None = None, item: int | None = None
) -> Provenance:
    """Numbers of what was done to the model of this name; split, items, item: as `Provenance` has them."""
    recipe, name = recipe_sha_of(lineage) or UNCHANGED, name_in_file_name(lineage)
    return Provenance(model, recipe, split, items, item, history_sha(lineage), name=name)
