"""Scan what each place bears and weigh every option, as a job: what every budget is looked up in."""

from __future__ import annotations

from collections.abc import Generator

from compress_core.apply.model import Model
from compress_core.decide.option_table import OptionTable, option_table
from compress_core.decide.scan import VALIDATION, scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.jobs.task import ResultFiles, Task


def run(model: Model, knobs: ScanPlan, _seed: int, store: Store) -> Generator[Progress, None, OptionTable]:
    """Scan what is not scanned yet, then weigh; nothing in it is random. Raises Refused as both do."""
    found = yield from scan(model, knobs, store)
    items = model.subject.split(VALIDATION).first(knobs.sample)
    return (yield from option_table(model, found, items, store))


def pack(table: OptionTable) -> ResultFiles:
    """All of it as plain values."""
    return ResultFiles({}, table.as_json())


def unpack(packed: ResultFiles) -> OptionTable:
    """The reverse of `pack`."""
    return OptionTable.of_json(packed.facts)


OPTIONS = Task("options", ScanPlan, lambda _: (VALIDATION,), run, pack, unpack, tells_names=True)
