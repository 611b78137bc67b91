"""The files of the page, made by jobs and kept by the workspace for downloads and their ZIP."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path

from benchmarks.killed_process import Say
from benchmarks.killed_work import (
    EARLIER,
    LATER,
    SAMPLE,
    Killed,
    Traces,
    killed,
    nothing,
    small_sample,
    workspace_damage,
)
from compress_core.foundation.atomic_file import write_whole
from compress_core.foundation.workspace.folder import VARIABLE
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.job_records import JobRecords
from compress_core.jobs.perform import RESULT, run_job
from compress_core.tasks.export_files import FILES, FilesKnobs


@killed("makes the page's files as jobs", order=5)
def making_files(*, small: bool) -> Killed:
    """Each job says its key when its result is kept."""
    formats = ("source",) if small else ("packed", "source")
    return Killed(partial(_make, formats=formats), nothing, _lost, workspace_damage)


def _make(folder: Path, say: Say, *, formats: Sequence[str]) -> str:
    from dashboard.deploy.files import zipped

    os.environ[VARIABLE] = str(folder)
    place, zips = Workspace.at(folder), {}
    records = JobRecords(place, "server", lambda _: False)
    for recipe, name in product((EARLIER, LATER), formats):
        job = FILES.job(small_sample(recipe), FilesKnobs(file_format=name), 0, found_in=SAMPLE)
        if not records.has(job.key):
            path = folder / "servers" / "server" / "jobs" / job.key / "job.json"
            write_whole(path, job.as_json().encode())
            run_job(path, lambda _: None)
            records.keep(job.key, (path.parent / RESULT).read_bytes())
        say(job.key)
        content = records.result(job.key)
        assert content is not None, "it was kept"
        zips[job.key] = hashlib.sha256(zipped(FILES.result(content).files)).hexdigest()
    place.close()
    return json.dumps(zips)


def _lost(traces: Traces) -> int:
    place, whole = (
        JobRecords(Workspace.at(folder), "", lambda _: False) for folder in (traces.folder, traces.whole)
    )
    lost = sum(place.result(key) is None or place.result(key) != whole.result(key) for key in traces.said)
    place.workspace.close()
    whole.workspace.close()
    return lost
