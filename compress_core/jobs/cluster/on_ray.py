"""Work in parts on all processors of a Ray cluster. Runs there only; Ray hands values from node to node."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from compress_core.foundation.plain_json import text_as_json
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.foundation.workspace.folder import VARIABLE
from compress_core.foundation.workspace.workspace import open_workspace
from compress_core.jobs.cluster.lines import Said
from compress_core.jobs.job import Job
from compress_core.jobs.perform import STORE_BYTES, lineage_of, subject_of
from compress_core.jobs.server_folder import puts_beside
from compress_core.jobs.task import Task, task_of

PARTS_EACH = 6
"""Parts for each processor: a slow node does fewer of them."""
RETRIES = 4

Rows = Mapping[str, Any]


def in_parts(job: Job, path: Path, known: Rows, say: Callable[[Said], None]) -> None:
    """Do a job in parts, and keep the rows of all, those known before too, in this process's workspace."""
    import ray  # type: ignore[import-not-found, unused-ignore]  # there on the cluster

    task = task_of(job)
    assert task.parts is not None, "asked for a job that can be divided"
    model = _model(job, path)
    workspace = open_workspace()
    say({"parent": model.key})
    task.parts.take(model, known, workspace)
    ray.init(address="auto", log_to_driver=False, configure_logging=False)
    processors = max(1, int(ray.cluster_resources().get("CPU", 1)))
    divided = task.parts.divided(task.knobs_of(job), PARTS_EACH * processors)
    files, rows = ray.put(_files(job, path)), ray.put(dict(known))
    remote = ray.remote(num_cpus=1, max_retries=RETRIES, retry_exceptions=False)(rows_of_part)
    waiting = [remote.remote(files, job.as_json(), knobs.model_dump_json(), rows) for knobs in divided]
    done = 0
    while waiting:
        ready, waiting = ray.wait(waiting, num_returns=1)
        for found in ray.get(ready):
            done += 1
            task.parts.take(model, found, workspace)
            for key, row in found.items():
                say({"row": row, "key": key, "parent": model.key})
            say({"progress": [done, len(divided) + 1, text_as_json(N_("on the cluster"))]})
    ray.shutdown()


def _files(job: Job, path: Path) -> dict[str, bytes]:
    """The files of the model of a job; none for a sample."""
    place = puts_beside(path.parent) / job.subject
    return {file.name: file.read_bytes() for file in place.iterdir()} if place.is_dir() else {}


def rows_of_part(files: Mapping[str, bytes], job_text: str, knobs_text: str, known: Rows) -> dict[str, Any]:
    """The rows that one part of a job adds to those that are known; runs in a process of the cluster."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch

    torch.set_num_threads(1)
    job = Job.read(job_text)
    task: Task[Any, Any] = task_of(job)
    assert task.parts is not None, "asked for a job that can be divided"
    with tempfile.TemporaryDirectory(prefix="slimscope-part-") as folder:
        os.environ[VARIABLE] = str(Path(folder) / "workspace")
        model = _model_from(tuple(sorted(files.items())), job_text)
        workspace = open_workspace()
        task.parts.take(model, known, workspace)
        for _ in _progress(task, model, knobs_text, job, Store(STORE_BYTES, workspace)):
            pass
        return {key: row for key, row in task.parts.rows(model, workspace).items() if key not in known}


def _progress(task: Task[Any, Any], model: Any, knobs_text: str, job: Job, store: Store) -> Iterator[object]:
    yield from task.run(model, task.knobs.model_validate_json(knobs_text), job.seed, store)


def _model(job: Job, path: Path) -> Any:
    from compress_core.apply.run import model_of

    store = Store(STORE_BYTES, open_workspace())
    return model_of(subject_of(job, puts_beside(path.parent)), lineage_of(job), store)


@lru_cache(maxsize=2)
def _model_from(files: tuple[tuple[str, bytes], ...], job_text: str) -> Any:
    """The model of a job, made once in each process."""
    job = Job.read(job_text)
    with tempfile.TemporaryDirectory(prefix="slimscope-model-") as folder:
        place = Path(folder) / "put" / job.subject
        if files:
            place.mkdir(parents=True)
            for name, content in files:
                (place / name).write_bytes(content)
        path = Path(folder) / "jobs" / job.key / "job.json"
        path.parent.mkdir(parents=True)
        return _model(job, path)
