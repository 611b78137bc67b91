"""The job that explains many items, as Behavior and Explain start it: the same wish is the same job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress_core.tasks.explain_items import EXPLAIN, MOST_ITEMS, ExplainKnobs, ManyExplained
from dashboard import job_panel as jobs
from dashboard.page_job import PageJob
from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.measure.behavior.flips import Flips
    from compress_core.measure.explain.attribution import AttributionMethod
    from compress_core.subject.split import Split


def explain_job(
    model: Model,
    split: Split,
    method: AttributionMethod,
    items: int,
    only: Flips | None,
    seed: int,
    value: int | None = None,
) -> PageJob[ManyExplained]:
    """Explain so many items, or as many as fit into a job, drawn from all or from these flips.

    value: which of a model's real numbers is explained.
    """
    count = min(items, MOST_ITEMS)
    knobs = ExplainKnobs(method=method.name, split=split.name, items=count, only=only, value=value)
    title = _("Explain {items:,} items") if only is None else _("Explain these {items:,} changed items")
    return PageJob(
        EXPLAIN,
        jobs.job_of(EXPLAIN, model, knobs, seed),
        title.format(items=count),
        lambda found: 3 * found.explanation.before.nbytes,
    )
