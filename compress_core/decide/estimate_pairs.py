"""What our own estimates were worth: every model that was really run, beside what was estimated of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from compress_core.apply.lineage import Compress, read_lineage
from compress_core.decide.estimate import Estimator
from compress_core.decide.knob_positions import positions_of
from compress_core.decide.sensitivity import Sensitivity
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.foundation.workspace.json_text import Json
from compress_core.foundation.workspace.model_tree import KnownModel
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.subject.subject import Subject

COLUMNS = ("model", "recipe", "places", "estimated", "measured", "low", "high", "estimated_kl", "measured_kl")
_TOO_FEW = N_("Fewer than three recipes were estimated and then run.")
LEAST = 3


@dataclass(frozen=True, eq=False)
class CheckedEstimates:
    """A row for each checked model, in COLUMNS: changes in points, divergences in nats.

    Nothing that was measured of a model is in its estimate, which follows from single places alone.
    """

    table: pd.DataFrame

    @property
    def rank_correlation(self) -> Number:
        """Spearman's, of estimated and measured changes of accuracy."""
        known = self.table.dropna(subset=["estimated", "measured"])
        if len(known) < LEAST or known[["estimated", "measured"]].nunique().min() < 2:
            return Number.missing("correlation", _TOO_FEW, len(known))
        found = float(spearmanr(known["estimated"], known["measured"]).statistic)
        return Number(found, "correlation", "measured", n=len(known))

    @property
    def median_error(self) -> Number:
        """Median distance of estimated and measured changes, in points."""
        known = self.table.dropna(subset=["estimated", "measured"])
        if len(known) < LEAST:
            return Number.missing("points", _TOO_FEW, len(known))
        error = float(np.median((known["estimated"] - known["measured"]).abs()))
        return Number(error, "points", "measured", n=len(known))


def checked_estimates(
    subject: Subject, sensitivity: Sensitivity, estimator: Estimator, workspace: Workspace
) -> CheckedEstimates:
    """All that the workspace knows of models made of the scanned one by a recipe that the scan speaks of.

    Points of the scan itself are no check and are left out; so are numbers of other items or releases.
    """
    scanned = {point.model for curve in sensitivity.curves for point in curve.points}
    known = (
        model
        for model in workspace.models.of_subject(subject.digest)
        if model.parent == sensitivity.parent and model.key not in scanned
    )
    rows = [row for model in known for row in _rows(model, sensitivity, estimator, workspace)]
    return CheckedEstimates(pd.DataFrame(rows, columns=list(COLUMNS)))


def _rows(
    model: KnownModel, sensitivity: Sensitivity, estimator: Estimator, workspace: Workspace
) -> Iterator[dict[str, object]]:
    measured = workspace.evaluations.find(model.key, sensitivity.items)
    if measured is None:
        return
    try:
        (operation,) = read_lineage([model.operation])
        if not isinstance(operation, Compress):
            return
        positions = positions_of(operation.recipe, sensitivity)
        estimate = estimator.estimate(positions)
    except Refused:  # the scan says nothing of this recipe, or this release cannot read it
        return
    change, kl = (_number(measured.numbers, name) for name in ("accuracy_change", "kl"))
    yield {
        "model": model.key,
        "recipe": operation.recipe.sha[:12],
        "places": len(positions),
        "estimated": estimate.accuracy_change.value,
        "measured": change.get("value"),
        "low": change.get("low"),
        "high": change.get("high"),
        "estimated_kl": estimate.kl.value,
        "measured_kl": kl.get("value"),
    }


def _number(numbers: dict[str, Json], name: str) -> dict[str, Any]:
    found = numbers.get(name)
    return found if isinstance(found, dict) else {}
