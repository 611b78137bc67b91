"""What is known of how much each layer bears, for every page that shows it; and the job that measures it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress_core.apply.groups_found import are_found, groups_in
from compress_core.apply.model import Model
from compress_core.decide.family import Family
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.scan_table import known_curves
from compress_core.decide.scan_trials import degrees_tried
from compress_core.foundation.store import digest
from compress_core.measure.cost.search_estimate import search_takes_long
from compress_core.tasks.scan_layers import SCAN
from dashboard import engine
from dashboard import job_panel as jobs
from dashboard.page_job import PageJob
from dashboard.text import _

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compress_core.decide.sensitivity import Curve, Sensitivity
    from compress_core.subject.subject import Subject
    from dashboard.view import View


def scan_job(view: View, subject: Subject, first: Family) -> PageJob[Sensitivity]:
    """The scan of the model as loaded that begins with a family; rows that the visitor locked are not tried.

    It is one job whatever comes first: who asks while it runs joins it.
    """
    plan = plan_of(view).model_copy(update={"first": first})
    return PageJob(
        SCAN,
        jobs.job_of(SCAN, Model.original(subject), plan, view.seed),
        _("Measure what each layer bears"),
        lambda _found: 2**18,
        is_of_knobs=True,
    )


def plan_of(view: View) -> ScanPlan:
    """What the page has measured."""
    return ScanPlan(locked=tuple(sorted(view.locked)))


def degrees_known(view: View, subject: Subject, family: Family) -> Mapping[str, Sequence[float]]:
    """To which degrees each place is tried; empty where coupled groups would be searched for long first."""
    store, is_of_groups = engine.store(), family is Family.STRUCTURE
    if is_of_groups and not are_found(subject, store) and search_takes_long(subject, store):
        return {}
    groups = groups_in(subject, store).values() if is_of_groups else ()
    return degrees_tried(family, plan_of(view), subject.layers, groups)


def curves_known(view: View, subject: Subject) -> tuple[Curve, ...]:
    """Every curve that was measured of the model as loaded, as far as it is; empty where none was."""
    workspace, parent, plan = engine.workspace(), Model.original(subject), plan_of(view)
    if workspace.folder is None:  # nothing that a worker kept is seen from here
        return ()
    key = digest("known scan", parent.key, subject.name, workspace.scans.version(parent.key))
    store = engine.store()
    return store.get(key, lambda: known_curves(parent, plan, store), lambda curves: 4096 * (1 + len(curves)))
