"""review: whether a compressed model may go out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from compress_core.apply.model import Model
from compress_core.face.checked_arguments import checked_compressed
from compress_core.face.shared_store import shared_store
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.reviews.circumstances_now import circumstances_of
from compress_core.reviews.findings import Review
from compress_core.reviews.gate import Gates
from compress_core.reviews.gate_file import gates_named, usual_gates
from compress_core.reviews.judging import Asked, last_split, reviewed

FROM_PYTHON = N_(
    "No command: it was made by compress_core.review in Python, and the script that called it makes it again."
)


def review(
    model: Model,
    gates: Gates | str | Path | None = None,
    *,
    split: str | None = None,
    watch: Callable[[Progress], None] | None = None,
    store: Store | None = None,
) -> Review:
    """Judge a compressed model by gates that were written down beforehand, on items that were held back.

    gates: the name of ready-made ones, or a YAML file; without it those that are usual for what the model
    answers with (non_inferiority, values_kept or vectors_kept). split: without it test, or validation where
    there is no other. Its `verdict` is pass, fail, undecided or not measured; an undecided gate says how many
    items would decide. Raises Refused where there are no such items.

        review(small, "gates.yaml").verdict
    """
    made = checked_compressed(model, "review")
    asked = usual_gates(made.subject.task) if gates is None else gates
    wanted = asked if isinstance(asked, Gates) else gates_named(str(asked))
    around = circumstances_of("", {}, wanted.conditions.seed, no_command=FROM_PYTHON)
    work = reviewed(made, wanted, Asked(split or last_split(made.subject)), around, store or shared_store())
    while True:
        try:
            progress = next(work)
        except StopIteration as end:
            found: Review = end.value
            return found
        if watch is not None:
            watch(progress)
