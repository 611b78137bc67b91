"""The job that looks at the test items, and on which items that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compress_core.reviews.model_costs import with_times_of_deploy
from compress_core.reviews.model_files import with_files
from compress_core.tasks.judge_gates import REVIEW, ReviewKnobs
from dashboard import chosen_split
from dashboard import job_panel as jobs
from dashboard.deploy.job_results import listed_files, measured_times
from dashboard.page_job import PageJob
from dashboard.review import later_files, target_choice
from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.reviews.findings import Review
    from compress_core.reviews.gate import Gates
    from compress_core.subject.subject import Subject
    from dashboard.view import View

_REVIEW_BYTES, _FLIP_BYTES = 2**18, 2**10


@dataclass(frozen=True, eq=False)
class ReviewOnPage:
    """A review that stands on the page, with the model that the page works on.

    is_stale: it speaks of another recipe, or was made by other gates, or for
    another target, than are set now.
    """

    view: View
    model: Model
    review: Review
    is_stale: bool


def reviewed_split(subject: Subject) -> str | None:
    """Test items where there are some, else those that are there; None where there are none."""
    offered = chosen_split.offered(subject)
    return offered[-1] if offered else None


def review_job(model: Model, gates: Gates, split: str) -> PageJob[Review]:
    """The review of a model by these gates: the same wish is the same job."""
    device, runtime = target_choice.DEVICE.chosen(), target_choice.RUNTIME.chosen()
    later = later_files.given(model.subject.split(split))
    knobs = ReviewKnobs(
        gates=gates,
        split=split,
        target_device=device,
        target_runtime=runtime,
        labels=later.labels,
        groups=later.groups,
    )
    job = jobs.job_of(REVIEW, model, knobs, gates.conditions.seed)
    remarks = model.subject.remarks
    return PageJob(
        REVIEW,
        job,
        _("Review"),
        lambda found: _REVIEW_BYTES + _FLIP_BYTES * len(found.flips),
        delivered=lambda found: _with_deploy(found.read_with(remarks), model),
    )


def _with_deploy(found: Review, model: Model) -> Review:
    """With the files and the times, at the gates' batch size, that Deploy has of this very model."""
    if found.model.model != model.key:
        return found
    found = with_files(found, tuple(listed_files(model)))
    measured = measured_times(model, found.gates.conditions.batch)
    return found if measured is None else with_times_of_deploy(found, *measured)
