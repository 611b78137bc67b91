"""The jobs of this page: files that are made, and times that are measured."""

from __future__ import annotations

from compress_core.apply.model import Model
from compress_core.deliver.exports import ExportedFiles
from compress_core.tasks.export_files import FILES, FilesKnobs
from compress_core.tasks.latency_result import Measured
from compress_core.tasks.measure_latency import LATENCY, LatencyKnobs
from dashboard import header
from dashboard import job_panel as jobs
from dashboard.page_job import PageJob
from dashboard.text import _

_TIMES_BYTES = 2**16


def file_job(model: Model, file_format: str, title: str = "") -> PageJob[ExportedFiles]:
    """The job that makes a file and tries it on the items that every page shows, where there are any."""
    split = header.SPLIT if header.SPLIT in model.subject.splits else ""
    job = jobs.job_of(FILES, model, FilesKnobs(file_format=file_format, split=split), 0)
    return PageJob(FILES, job, title, lambda found: sum(map(len, found.files.values())), is_of_knobs=True)


def latency_job(model: Model) -> PageJob[Measured]:
    """The job that measures how long a model takes; raises Refused for one without items."""
    job = jobs.job_of(LATENCY, model, LatencyKnobs(split=header.SPLIT), 0)
    return PageJob(LATENCY, job, _("Measure times"), lambda _found: _TIMES_BYTES)
