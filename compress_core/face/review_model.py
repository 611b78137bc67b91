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
from compress_core.reviews.gate_file import gates_named
from compress_core.reviews.judging import Asked, reviewed

FROM_PYTHON = N_(
    "No command: it was made by compress_core.review in Python, and the script that called it makes it again."
)


def review(
    model: Model,
    gates: Gates | str | Path = "no_loss",
    *,
    split: str = "test",
    watch: Callable[[Progress], None] | None = None,
    store: Store | None = None,
) -> Review:
    """Judge a compressed model by gates that were written down beforehand, on items that were held back.

    gates: the name of ready-made ones, or a YAML file. Its `verdict` is pass, fail, undecided or not
    measured; an undecided gate says how many items would decide.
    Raises Refused where there are no such items.

        review(small, "gates.yaml").verdict
    """
    made = checked_compressed(model, "review")
    wanted = gates if isinstance(gates, Gates) else gates_named(str(gates))
    around = circumstances_of("", {}, wanted.conditions.seed, no_command=FROM_PYTHON)
    work = reviewed(made, wanted, Asked(split), around, store or shared_store())
    while True:
        try:
            progress = next(work)
        except StopIteration as end:
            found: Review = end.value
            return found
        if watch is not None:
            watch(progress)
