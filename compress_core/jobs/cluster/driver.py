"""What runs on the cluster: the same work as a worker's, told in lines of its log.

`python -m compress_core.jobs --cluster` in a folder that the cluster unpacked: the job, what is known already
and the release that asks. Where a job can be divided, what it measures is measured in parts on all processors
of the cluster, before it needs it; what the job leaves is made of that here, as on one machine.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress
from compress_core.foundation.refusal_json import refusal_as_json
from compress_core.foundation.release import release
from compress_core.foundation.workspace.folder import VARIABLE
from compress_core.jobs.cluster.bridge import JOB, KNOWN, PUT, RELEASE
from compress_core.jobs.cluster.lines import Said, marked_line, result_lines
from compress_core.jobs.job import Job


def driving() -> int:
    """Do the job of the folder that this runs in; its log says how it went."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(said: Said) -> None:
        out.write(marked_line(said) + "\n")
        out.flush()

    try:
        _do(Path.cwd(), say)
    except Refused as refused:
        say({"refused": refusal_as_json(refused)})
    return 0


def _do(place: Path, say: Callable[[Said], None]) -> None:
    asked = (place / RELEASE).read_text(encoding="utf-8")
    if asked != release():
        raise Refused(
            "The cluster runs {there}, and this server {here}: install the same release of Slimscope, torch "
            "and numpy on both.",
            there=release(),
            here=asked,
        )
    job = Job.read((place / JOB).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="slimscope-job-") as folder:
        root = Path(folder)
        os.environ[VARIABLE] = str(root / "workspace")
        path = _laid_out(root, job)
        known = json.loads((place / KNOWN).read_text(encoding="utf-8"))
        _done(job, path, known, say)


def _laid_out(root: Path, job: Job) -> Path:
    """The files of a job as a server lays them out for its workers; gives the path of the job's own."""
    own = root / "jobs" / job.key
    own.mkdir(parents=True)
    (own / JOB).write_text(job.as_json(), encoding="utf-8")
    put = _put_files(job)
    if put is not None:
        (root / "put").mkdir()
        (root / "put" / job.subject).symlink_to(put, target_is_directory=True)
    return own / JOB


def _put_files(job: Job) -> Path | None:
    """Where the cluster unpacked the model of a job: in a folder on the path of modules."""
    places = (Path(entry) / f"{PUT}{job.subject}" for entry in sys.path if entry)
    return next((place for place in places if place.is_dir()), None)


def _done(job: Job, path: Path, known: dict[str, Any], say: Callable[[Said], None]) -> None:
    from compress_core.jobs.task import task_of

    if task_of(job).parts is None:
        _whole(path, say, lambda _: None)
        return
    from compress_core.jobs.cluster.on_ray import PartsOnRay

    with closing(PartsOnRay(job, path, known, say)) as parts:
        parts.divide()
        _whole(path, say, parts.wait_for_next)


def _whole(path: Path, say: Callable[[Said], None], before_more: Callable[[Progress], None]) -> None:
    from compress_core.jobs.perform import RESULT, run_job

    ended: list[Said] = []

    def hear(said: Said) -> None:
        if "progress" in said:
            say(said)
        else:
            ended.append(said)

    run_job(path, hear, before_more)
    for said in ended:
        if "done" in said:
            for line in result_lines((path.parent / RESULT).read_bytes()):
                say(line)
        say(said)
