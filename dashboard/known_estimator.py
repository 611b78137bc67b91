"""What a scan of a model lets one estimate of its recipes, for every page that shows an estimate."""

from __future__ import annotations

from compress_core.apply.model import Model
from compress_core.decide.estimate import Estimator, estimator_of
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.scan_table import known_curves
from compress_core.decide.sensitivity import Sensitivity
from compress_core.foundation.store import digest
from dashboard import engine

VALIDATION = "validation"


def known_sensitivity(parent: Model) -> Sensitivity:
    """Every curve that was measured on top of a model; parent: as loaded."""
    return engine.store().get(
        digest("known sensitivity", *_version(parent)),
        lambda: _measured(parent),
        lambda found: 4096 * (1 + len(found.curves)),
    )


def known_estimator(parent: Model) -> Estimator:
    """Estimates from these curves; raises Refused where nothing was measured yet."""
    return engine.store().get(
        digest("known estimator", *_version(parent)), lambda: _made(parent), lambda _found: 2**16
    )


def _version(parent: Model) -> tuple[str, str, str]:
    return parent.key, parent.subject.name, engine.workspace().scans.version(parent.key)


def _measured(parent: Model) -> Sensitivity:
    split = parent.subject.split(VALIDATION)
    curves = known_curves(parent, ScanPlan(), engine.store())
    return Sensitivity(parent.key, parent.subject.key, split.name, split.digest, len(split), curves)


def _made(parent: Model) -> Estimator:
    highest = {layer.name: layer.highest_rank for layer in parent.base.layers}
    return estimator_of(known_sensitivity(parent), highest)
