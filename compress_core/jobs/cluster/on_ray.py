"""Work in parts on all processors of a Ray cluster. Runs there only; Ray hands values from node to node.

A part leaves rows in the workspace of its process, and those go into the driver's. The job itself, which the
driver does, finds them: so it ends as on one machine, however many processors there are.
"""

from __future__ import annotations

import faulthandler
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from compress_core.apply.model import Model
from compress_core.foundation.plain_json import text_as_json
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.foundation.workspace.scan_points import kept_under
from compress_core.foundation.workspace.workspace import Workspace, open_workspace
from compress_core.jobs.cluster.lines import Said
from compress_core.jobs.job import Job
from compress_core.jobs.perform import STORE_BYTES, lineage_of, subject_of
from compress_core.jobs.server_folder import puts_beside
from compress_core.jobs.task import WorkPart, task_of, tasks

RETRIES = 4
LONGEST_STEP_S = 3600.0
"""What a step of a part, as one point of a scan, may take: then its process ends, and it is done anew."""

Step = TypeVar("Step")
Rows = Mapping[str, Any]


class PartsOnRay:
    """The parts of one job on all processors of the cluster; their rows go into this process's workspace."""

    def __init__(self, job: Job, path: Path, known: Rows, say: Callable[[Said], None]) -> None:
        import ray  # type: ignore[import-not-found, unused-ignore]  # there on the cluster

        self._job, self._say, self._workspace = job, say, open_workspace()
        ray.init(address="auto", log_to_driver=False, configure_logging=False)
        self._ray = ray
        self._processors = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._files, self._known = ray.put(_files(job, path)), ray.put(dict(known))
        self._warm_up()  # while the model is made here
        self._model = _model_of(job, path, Store(STORE_BYTES, self._workspace))
        self._workspace.scans.take_rows(self._model.key, known)
        self._told = set(known)
        self._asked: dict[WorkPart, Any] = {}
        self._under_way: set[Any] = set()
        self._known_parts = 0

    def _warm_up(self) -> None:
        """Have every processor make the model once, which the first part would have to wait for."""
        remote = self._ray.remote(num_cpus=1, max_retries=0)(made_ready)
        for _ in range(self._processors):
            remote.remote(self._files, self._job.as_json())

    def divide(self) -> None:
        """Do what nothing goes before, and wait until all of it is done.

        No part is given before a processor is free: Ray keeps no order among those that wait, and a large one
        that was left behind by the small ones of the end kept all others waiting.
        """
        task = task_of(self._job)
        assert task.parts is not None, "asked for a job that can be divided"
        divided = task.parts.divided(task.knobs_of(self._job), self._processors)
        self._known_parts, coming = len(divided), iter(divided)
        for part in islice(coming, self._processors):
            self._hand_out(part)
        self._tell_parts()
        for done in range(len(divided)):
            self._say({"progress": [done, len(divided) + 1, text_as_json(N_("on the cluster"))]})
            self._take_one()
            for part in islice(coming, 1):
                self._hand_out(part)

    def wait_for_next(self, progress: Progress) -> None:
        """Have measured what the work needs next; other processors measure what it may need after that."""
        task = task_of(self._job)
        assert task.parts is not None, "asked for a job that can be divided"
        coming = task.parts.coming(progress, self._processors)
        for part in coming:
            if part is coming[0] or len(self._under_way) < self._processors:
                self._hand_out(part)
        while coming and self._asked[coming[0]] in self._under_way:
            self._take_one()

    def close(self) -> None:
        """End what nobody needs any more."""
        self._ray.shutdown()

    def _hand_out(self, part: WorkPart) -> None:
        """Have a part done, if nobody was asked for it yet."""
        if part not in self._asked:
            remote = self._ray.remote(num_cpus=1, max_retries=RETRIES, retry_exceptions=False)(rows_of_part)
            arguments = (self._files, self._job.as_json(), part.kind, part.knobs, self._known)
            self._asked[part] = remote.remote(*arguments)
            self._under_way.add(self._asked[part])

    def _take_one(self) -> None:
        """Wait until some part is done, and keep and tell its rows."""
        (ready, *_), _ = self._ray.wait(list(self._under_way), num_returns=1)
        self._under_way.discard(ready)
        found: Rows = self._ray.get(ready)
        new = {key: row for key, row in found.items() if key not in self._told}
        self._workspace.scans.take_rows(self._model.key, new)
        for key, row in new.items():
            self._say({"row": row, "key": key, "parent": kept_under(self._model.key, row)})
        self._told |= set(new)
        self._tell_parts()

    def _tell_parts(self) -> None:
        done, parts = len(self._asked) - len(self._under_way), max(len(self._asked), self._known_parts)
        self._say({"parts": [done, parts], "workers": self._processors})


def _files(job: Job, path: Path) -> dict[str, bytes]:
    """The files of the model of a job; none for a sample."""
    place = puts_beside(path.parent) / job.subject
    return {file.name: file.read_bytes() for file in place.iterdir()} if place.is_dir() else {}


def made_ready(files: Mapping[str, bytes], job_text: str) -> None:
    """Make the model that the parts of a job need; runs in a process of the cluster."""
    _ready_place(files, job_text)


def rows_of_part(files: Mapping[str, bytes], job_text: str, kind: str, knobs: str, known: Rows) -> Rows:
    """The rows that one part of a job adds to those that are known; runs in a process of the cluster.

    What an earlier part of the same job derived in this process is still there, and comes along.
    """
    model, store, workspace = _ready_place(files, job_text)
    scans, task = workspace.scans, tasks()[kind]
    scans.take_rows(model.key, {key: known[key] for key in known.keys() - scans.of_model(model.key).keys()})
    for _ in _watched(task.run(model, task.knobs.model_validate_json(knobs), Job.read(job_text).seed, store)):
        pass
    return {key: row for key, row in scans.of_model(model.key).items() if key not in known}


def _watched(steps: Iterable[Step]) -> Iterator[Step]:
    """The same steps; where one takes too long its process ends, even one that hangs outside of Python."""
    try:
        faulthandler.dump_traceback_later(LONGEST_STEP_S, exit=True)
        for step in steps:
            faulthandler.dump_traceback_later(LONGEST_STEP_S, exit=True)
            yield step
    finally:
        faulthandler.cancel_dump_traceback_later()


def _ready_place(files: Mapping[str, bytes], job_text: str) -> tuple[Model, Store, Workspace]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch

    torch.set_num_threads(1)
    return _place_of(tuple(sorted(files.items())), job_text)


@lru_cache(maxsize=1)
def _place_of(files: tuple[tuple[str, bytes], ...], job_text: str) -> tuple[Model, Store, Workspace]:
    """The model of a job and what was derived of it, once for all parts that one process does.

    Its workspace is in the folder that Ray unpacked for the job, and takes away with it.
    """
    job = Job.read(job_text)
    workspace = Workspace.at(Path(tempfile.mkdtemp(prefix="slimscope-part-", dir=Path.cwd())))
    store = Store(STORE_BYTES, workspace)
    with tempfile.TemporaryDirectory(prefix="slimscope-model-") as folder:
        place = Path(folder) / "put" / job.subject
        if files:
            place.mkdir(parents=True)
            for name, content in files:
                (place / name).write_bytes(content)
        path = Path(folder) / "jobs" / job.key / "job.json"
        path.parent.mkdir(parents=True)
        return _model_of(job, path, store), store, workspace


def _model_of(job: Job, path: Path, store: Store) -> Model:
    from compress_core.apply.run import model_of

    return model_of(subject_of(job, puts_beside(path.parent)), lineage_of(job), store)
