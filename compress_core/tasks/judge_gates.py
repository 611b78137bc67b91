"""Review a model, as a job: gates judged on items that were held back, with the evidence."""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from compress_core.apply.model import Model
from compress_core.foundation.frozen_json import as_plain
from compress_core.foundation.knobs import Strict
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.jobs.task import ResultFiles, Task
from compress_core.loading.subgroups import refuse_other_number
from compress_core.measure.behavior.evaluate import REPORTING, compare
from compress_core.reviews.circumstances_now import circumstances_of
from compress_core.reviews.findings import Review
from compress_core.reviews.gate import Gates
from compress_core.reviews.judging import Asked, reviewed
from compress_core.reviews.late_groups import told_apart
from compress_core.reviews.late_labels import matched_labels
from compress_core.reviews.looks_at_test import look_at
from compress_core.reviews.review_command import command_of_page, is_sample
from compress_core.subject.split import Split

MOST_ITEMS = 200_000


class ReviewKnobs(Strict):
    """The gates, the items, and where the model is meant to run; who decides signs afterwards.

    labels: (item, class) of the items on which both models disagree, where they came later. groups: the
    subgroup of each item, or none.
    """

    gates: Gates
    split: str = REPORTING
    target_device: str = ""
    target_runtime: str = ""
    labels: Annotated[tuple[tuple[int, int], ...], Field(max_length=MOST_ITEMS)] = ()
    groups: Annotated[tuple[str, ...], Field(max_length=MOST_ITEMS)] = ()


def run(model: Model, knobs: ReviewKnobs, seed: int, store: Store) -> Generator[Progress, None, Review]:
    """Review; what is drawn follows the seed of the gates. Raises Refused as `reviewed` does."""
    command, no_command = command_of_page(model, _options(knobs))
    around = circumstances_of(
        command,
        {
            "model": model.subject.name if is_sample(model.subject) else None,
            "labels": _LABELS if knobs.labels else None,
            "groups": _GROUPS if knobs.groups else None,
        },
        seed,
        device=knobs.target_device,
        runtime=knobs.target_runtime,
        no_command=no_command,
    )
    split = model.subject.split(knobs.split)
    groups = _groups(knobs, split)
    look_at(model, split, knobs.gates, store)
    asked = Asked(knobs.split, _labels(model, knobs, split, store), groups)
    return (yield from reviewed(model, knobs.gates, asked, around, store))


_LABELS, _GROUPS = "labels.csv", "groups.csv"  # as the command calls the files that were uploaded


def _options(knobs: ReviewKnobs) -> dict[str, str]:
    return {
        "--split": knobs.split,
        "--labels": _LABELS if knobs.labels else "",
        "--groups": _GROUPS if knobs.groups else "",
        "--target-device": knobs.target_device,
        "--target-runtime": knobs.target_runtime,
    }


def _labels(model: Model, knobs: ReviewKnobs, split: Split, store: Store) -> NDArray[np.int64] | None:
    """Right answers of the items on which both models disagree [n], in their order."""
    if not knobs.labels:
        return None
    return matched_labels(dict(knobs.labels), compare(model, split, store), split)


def _groups(knobs: ReviewKnobs, split: Split) -> NDArray[np.str_] | None:
    """The subgroup of each item [N]."""
    if not knobs.groups:
        return None
    groups = told_apart(list(knobs.groups))
    refuse_other_number(groups, len(split))
    return groups


def pack(found: Review) -> ResultFiles:
    """All of it as plain values whose texts can be translated."""
    return ResultFiles({}, as_plain(found))


def unpack(packed: ResultFiles) -> Review:
    """The reverse of `pack`."""
    return Review.from_json(packed.facts)


REVIEW = Task("review", ReviewKnobs, lambda knobs: (knobs.split,), run, pack, unpack, tells_names=True)
