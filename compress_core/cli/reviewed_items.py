"""What stands beside a model in a review: on which items, and what files say about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compress_core.cli.arguments import writing
from compress_core.foundation.errors import Refused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from compress_core.cli.loading import Case
    from compress_core.subject.split import Split


@dataclass(frozen=True)
class Beside:
    """On which items, and what files say about them."""

    split: str
    labels: Path | None = None
    group_column: str | None = None
    groups: Path | None = None


def check_beside(case: Case, beside: Beside) -> None:
    """Raises Refused for whatever does not fit, as far as that can be told without looking at an answer."""
    items = case.subject.split(beside.split)
    _groups(case, beside, items)
    if beside.labels is not None:
        from compress_core.reviews.late_labels import labels_by_item

        labels_by_item(text_in(beside.labels), items, case.subject.classes)


def read_beside(case: Case, beside: Beside) -> tuple[NDArray[np.int64] | None, NDArray[np.str_] | None]:
    """The labels that came later [n], and the subgroup of each item [N]; a look. Raises Refused."""
    items = case.subject.split(beside.split)
    labels = None
    if beside.labels is not None:
        from compress_core.measure.behavior.evaluate import compare
        from compress_core.reviews.late_labels import read_labels

        answers = compare(case.model, items, case.store)
        labels = read_labels(text_in(beside.labels), answers, case.subject.classes, items)
    return labels, _groups(case, beside, items)


def text_in(path: Path) -> str:
    """What a file of labels or groups says; raises Refused where it cannot be read."""
    from compress_core.loading.own_file import content_of_file

    return content_of_file(path).decode("utf-8-sig", errors="replace")


def _groups(case: Case, beside: Beside, items: Split) -> NDArray[np.str_] | None:
    from compress_core.loading.subgroups import refuse_other_number, subgroups_in
    from compress_core.reviews.late_groups import read_groups

    if beside.groups is not None and beside.group_column is not None:
        raise Refused("--groups and --group-column both say the subgroup of each item: give one of them.")
    if beside.groups is not None:
        return read_groups(text_in(beside.groups), items)
    if beside.group_column is None:
        return None
    if case.chosen.items is None:
        raise Refused("--group-column names an array in a data file: add --data FILE.npz.")
    groups = subgroups_in(case.chosen.items, beside.group_column, beside.split)
    refuse_other_number(groups, len(items))
    return groups


def write_disagreements(case: Case, split: str, place: Path) -> None:
    """The list of items on which both models disagree, as CSV with an empty column for labels; a look."""
    from compress_core.decide.lineage_provenance import provenance_of_lineage
    from compress_core.foundation.atomic_file import write_whole
    from compress_core.foundation.csv_table import as_csv
    from compress_core.measure.behavior.evaluate import compare
    from compress_core.reviews.late_labels import disagreement_frame

    items = case.subject.split(split)
    frame = disagreement_frame(compare(case.model, items, case.store), case.subject.classes, items)
    about = provenance_of_lineage(case.subject.name, case.model.lineage, split, len(items))
    with writing(place, "--disagreements"):
        write_whole(place, as_csv(frame, about))
