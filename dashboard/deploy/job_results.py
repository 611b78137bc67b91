"""What the jobs of this page have left: files that were made, and times that were measured."""

from __future__ import annotations

from compress_core.apply.model import Model
from compress_core.deliver.exports import ExportedFiles, ExportFormat
from compress_core.foundation.store import digest
from compress_core.jobs.job import Job
from compress_core.tasks.export_files import FILES, FilesKnobs
from compress_core.tasks.latency_result import Measured
from compress_core.tasks.measure_latency import LATENCY, LatencyKnobs
from dashboard import engine, header
from dashboard import job_panel as jobs

_TIMES_BYTES = 2**16


def file_job(model: Model, file_format: ExportFormat) -> Job:
    """The job that makes a file and tries it on the items that every page shows, where there are any."""
    split = header.SPLIT if header.SPLIT in model.subject.splits else ""
    return jobs.job_of(FILES, model, FilesKnobs(file_format=file_format, split=split), 0)


def made(job: Job) -> ExportedFiles | None:
    """The files that a job made; None until it is done."""
    path = jobs.info(job.key).result
    if path is None:
        return None
    return engine.store().get(digest("made", job.key), lambda: FILES.result(path), _bytes_of)


def _bytes_of(found: ExportedFiles) -> int:
    return sum(map(len, found.files.values()))


def latency_job(model: Model) -> Job:
    """The job that measures how long a model takes; raises Refused for one without items."""
    return jobs.job_of(LATENCY, model, LatencyKnobs(split=header.SPLIT), 0)


def measured(job: Job) -> Measured | None:
    """The times that a job measured; None until it is done."""
    path = jobs.info(job.key).result
    if path is None:
        return None
    return engine.store().get(
        digest("measured", job.key), lambda: LATENCY.result(path), lambda _: _TIMES_BYTES
    )
