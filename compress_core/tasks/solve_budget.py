"""Find the recipe that fits a budget, as a job: solved, polished by real evaluations, checked."""

from __future__ import annotations

from collections.abc import Generator

from compress_core.apply.model import Model
from compress_core.decide.budget_found import BudgetFound
from compress_core.decide.budgeting import BudgetPlan, budgeted
from compress_core.decide.scan import VALIDATION
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.jobs.task import ResultFiles, Task


def run(model: Model, knobs: BudgetPlan, _seed: int, store: Store) -> Generator[Progress, None, BudgetFound]:
    """Solve; nothing in it is random. Raises Refused as `budgeted` does."""
    return BudgetFound.of((yield from budgeted(model, knobs, store)))


def pack(found: BudgetFound) -> ResultFiles:
    """There are few numbers and no arrays."""
    return ResultFiles({}, found.as_json())


def unpack(packed: ResultFiles) -> BudgetFound:
    """The reverse of `pack`."""
    return BudgetFound.of_json(packed.facts)


BUDGET = Task("budget", BudgetPlan, lambda _: (VALIDATION,), run, pack, unpack, tells_names=True)
