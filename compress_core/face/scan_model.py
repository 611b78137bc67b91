"""scan: what each layer bears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from compress_core.apply.model import Model
from compress_core.decide import scan as scanning
from compress_core.decide.scan_frame import scan_frame
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.scan_words import by_hurt
from compress_core.decide.sensitivity import Sensitivity
from compress_core.face.checked_arguments import checked_model
from compress_core.face.shared_store import shared_store
from compress_core.foundation.declared_knobs import validated
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.subject.subject import Subject


@dataclass(frozen=True, eq=False)
class ModelScan:
    """What each layer or group bears; a notebook shows a row for each point, what hurts most first."""

    sensitivity: Sensitivity

    def frame(self) -> pd.DataFrame:
        """A row for each point: place, family, value, kl in nats, accuracy_change in points, n, bytes."""
        return scan_frame(by_hurt(self.sensitivity.curves))

    def _repr_html_(self) -> str:
        return self.frame().to_html(index=False, na_rep="")


def scan(
    model: Model | Subject,
    *,
    watch: Callable[[Progress], None] | None = None,
    store: Store | None = None,
    **knobs: object,
) -> ModelScan:
    """Measure what each layer or group of coupled channels bears, by really compressing it alone.

    knobs: families (prune, structure, rank, bits), points (5), sample (500 items first), seconds, shard
    ("1/2"), locked, and the technique of a family under its name. watch is called with each step. What was
    measured before is not measured again, so an interrupted scan goes on.

    Raises Refused where the model has no validation items, or a knob is not there.

        scan(model, families=["prune"], points=3).frame()
    """
    asked = validated("scan", ScanPlan, knobs)
    work = scanning.scan(checked_model(model, "scan"), asked, store or shared_store())
    while True:
        try:
            progress = next(work)
        except StopIteration as end:
            return ModelScan(end.value)
        if watch is not None:
            watch(progress)
