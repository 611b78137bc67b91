"""What happens inside the worker's process: read the job, do it, tell how far it is, write the result."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compress_core.apply.lineage import Lineage, read_lineage
from compress_core.apply.run import model_of
from compress_core.foundation.atomic_file import write_whole
from compress_core.foundation.errors import Refused
from compress_core.foundation.plain_json import text_as_json
from compress_core.foundation.progress import Progress
from compress_core.foundation.refusal_json import refusal_as_json
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import open_workspace
from compress_core.jobs.bundle import bundle_in, is_bundle, read_bundle
from compress_core.jobs.job import Job
from compress_core.jobs.server_folder import not_written, puts_beside
from compress_core.jobs.task import task_of
from compress_core.loading.samples import load_sample
from compress_core.subject.subject import Subject

RESULT = "result.safetensors"
STORE_BYTES = 2**29

Say = Callable[[dict[str, Any]], None]


class _NotWrittenError(Exception):
    """The disk does not take the result."""

    def __init__(self, reason: OSError) -> None:
        self.reason = reason
        super().__init__(str(reason))


def run_job(path: Path, say: Say, before_more: Callable[[Progress], None] = lambda _: None) -> None:
    """Do the job of a file and write its result beside it.

    before_more is called wherever the work tells how far it is, before it goes on.

    What is refused is said as template and values; so is a disk that does not take the result, as `failed`,
    because the same job may succeed later.
    """
    try:
        _do(Job.read(path.read_text(encoding="utf-8")), path.parent, say, before_more)
    except _NotWrittenError as failed:
        say({"failed": refusal_as_json(not_written(failed.reason))})
    except Refused as refused:
        say({"refused": refusal_as_json(refused)})
    else:
        say({"done": True})


def _do(job: Job, folder: Path, say: Say, before_more: Callable[[Progress], None]) -> None:
    task = task_of(job)
    knobs = task.knobs_of(job)
    subject = subject_of(job, puts_beside(folder))
    if task.content(subject, knobs) != job.content:
        raise Refused("The model or its items have changed since the job was submitted: submit it again.")
    store = Store(STORE_BYTES, open_workspace())
    model = model_of(subject, lineage_of(job), store)
    work = task.run(model, knobs, job.seed, store)
    while True:
        try:
            progress = next(work)
        except StopIteration as end:
            _write_result(folder / RESULT, task.pack(end.value).as_bytes())
            return
        figures = progress.said()
        said = {"progress": [progress.done, progress.total, text_as_json(progress.note)]}
        say(said if figures is None else {**said, "figures": figures})
        before_more(progress)


def _write_result(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise _NotWrittenError(error) from error


def subject_of(job: Job, puts: Path) -> Subject:
    """The model of a job: what was put under that name, or a sample."""
    place = puts / job.subject
    return read_bundle(bundle_in(place)) if is_bundle(place) else load_sample(job.subject)


def lineage_of(job: Job) -> Lineage:
    """What a job says was done to its model; raises Refused."""
    return read_lineage(json.loads(job.lineage))
