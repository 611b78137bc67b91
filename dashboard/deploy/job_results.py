"""The jobs of this page: files that are made, and times that are measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from compress_core.apply.model import Model
from compress_core.deliver.export_format import PACKED, export_formats
from compress_core.deliver.exports import ExportedFiles
from compress_core.deliver.packed_size import packed_size_at_hand
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.store import digest
from compress_core.jobs.info import State
from compress_core.measure.speed.runtime import REFERENCE
from compress_core.reviews.findings import ModelFile
from compress_core.reviews.model_files import listed
from compress_core.tasks.export_files import FILES, FilesKnobs
from compress_core.tasks.latency_result import Measured
from compress_core.tasks.measure_latency import LATENCY, LatencyKnobs
from dashboard import engine, header
from dashboard import job_panel as jobs
from dashboard.page_job import PageJob
from dashboard.text import _

_TIMES_BYTES = 2**16
_MOST_TIMES = 100


def file_job(model: Model, file_format: str, title: str = "") -> PageJob[ExportedFiles]:
    """The job that makes a file and tries it on the items that every page shows, where there are any."""
    split = header.SPLIT if header.SPLIT in model.subject.splits else ""
    job = jobs.job_of(FILES, model, FilesKnobs(file_format=file_format, split=split), 0)
    return PageJob(FILES, job, title, lambda found: sum(map(len, found.files.values())), is_of_knobs=True)


def listed_files(model: Model) -> Iterator[ModelFile]:
    """Every file of this very model that was made here, with its sha-256."""
    for file_format in export_formats():
        work = file_job(model, file_format)
        try:
            made = work.result()
        except Refused:  # it was let go to make room
            continue
        if made is not None:
            key = digest("listed files", work.job.key)
            yield from engine.store().get(key, partial(_listed, made.files))


def _listed(files: Mapping[str, bytes]) -> tuple[ModelFile, ...]:
    return tuple(listed(name, content) for name, content in files.items())


def packed_size(model: Model) -> Number | None:
    """Bytes of the packed file: of the one that was made, else what the header has; None where neither is."""
    made = file_job(model, PACKED).result()
    if made is None:
        return packed_size_at_hand(model, engine.store())
    return Number(float(sum(map(len, made.files.values()))), "byte", "measured")


def latency_job(model: Model) -> PageJob[Measured]:
    """The job that measures how long a model takes, as it was done last; raises Refused without items."""
    return _latency_job(model, max(0, times_measured(model) - 1))


def measured_times(model: Model, batch: int) -> tuple[Number, Number] | None:
    """Milliseconds of the original and of the model in torch, as measured last at that batch size, if so."""
    try:
        measured = latency_job(model).result()
    except Refused:  # without items nothing can be timed, and an old result may have been let go
        return None
    if measured is None or batch not in measured.latency.rounds:
        return None
    found = measured.latency
    return (
        found.bar(REFERENCE, "original", batch).milliseconds,
        found.bar(REFERENCE, "compressed", batch).milliseconds,
    )


def next_latency_job(model: Model) -> PageJob[Measured]:
    """The job that measures it once more: a time is another one on a quiet machine, so it has its own key."""
    return _latency_job(model, times_measured(model))


def times_measured(model: Model) -> int:
    """How often it was measured with this recipe, one after the other."""
    numbers = range(_MOST_TIMES)
    states = (_latency_job(model, number).info.state for number in numbers)
    return next((n for n, state in enumerate(states) if state is not State.DONE), _MOST_TIMES)


def _latency_job(model: Model, number: int) -> PageJob[Measured]:
    """One of the measurements; its number is the seed, which decides the order of the turns."""
    job = jobs.job_of(LATENCY, model, LatencyKnobs(split=header.SPLIT), number)
    title = _("Measure again") if number else _("Measure times")
    return PageJob(LATENCY, job, title, lambda _found: _TIMES_BYTES)
