"""budget: the recipe that fits what must hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compress_core.apply.model import Model
from compress_core.decide.budgeting import Budgeted, BudgetPlan, budgeted
from compress_core.decide.requirements import Requirements
from compress_core.decide.scan_plan import ScanPlan
from compress_core.face.checked_arguments import checked_model
from compress_core.face.shared_store import shared_store
from compress_core.foundation.declared_knobs import validated
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.subject.subject import Subject


def budget(
    model: Model | Subject,
    *,
    evaluations: int = 40,
    families: Sequence[str] = ("prune", "rank", "bits"),
    locked: Sequence[str] = (),
    watch: Callable[[Progress], None] | None = None,
    store: Store | None = None,
    **requirements: object,
) -> Budgeted:
    """Find the recipe of least divergence within a budget; its `model` is what it makes.

    requirements: packed_bytes, bits_per_weight, parameters, macs, milliseconds, and on all validation items
    largest_drop and worst_class in points; optimize="packed_bytes" seeks the smallest file within a drop.
    evaluations: how many mutations of the solved recipe are really measured.

    Raises Refused before anything is evaluated where no recipe can be so small.

        small = budget(load("lenet5"), packed_bytes=26_000).model
    """
    plan = BudgetPlan(
        requirements=validated("budget", Requirements, requirements),
        scan=validated("scan", ScanPlan, {"families": list(families), "locked": list(locked)}),
        evaluations=evaluations,
    )
    work = budgeted(checked_model(model, "budget"), plan, store or shared_store())
    while True:
        try:
            progress = next(work)
        except StopIteration as end:
            found: Budgeted = end.value
            return found
        if watch is not None:
            watch(progress)
