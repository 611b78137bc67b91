"""Jobs in processes of their own on this machine: a queue, one warm spare, results in the workspace."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from compress_core.foundation.atomic_file import write_whole
from compress_core.foundation.errors import Refused
from compress_core.foundation.plain_json import text_from_json
from compress_core.foundation.progress import Progress
from compress_core.foundation.refusal_json import refusal_from_json
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.info import Info, State
from compress_core.jobs.job import Job
from compress_core.jobs.job_records import JobRecords
from compress_core.jobs.local_job import RESULT, LocalJob, why_without_result
from compress_core.jobs.process import COMMAND, Worker
from compress_core.jobs.server_folder import ServerFolder, not_written
from compress_core.jobs.whereabouts import whereabouts_from_json

MOST_REMEMBERED = 64
MOST_PUT = 16


class LocalRunner:
    """A `Runner` with at most so many processes at once; what jobs leave goes into the workspace."""

    def __init__(
        self,
        workspace: Workspace | None = None,
        *,
        most_at_once: int = 1,
        command: Sequence[str] = COMMAND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        workspace = workspace or Workspace.in_memory()
        self._place = workspace.folder
        self._folder = ServerFolder(workspace.folder)
        self._records = JobRecords(workspace, self._folder.server, self._folder.lives)
        self._most, self._command, self._clock = most_at_once, tuple(command), clock
        self._jobs: dict[str, LocalJob] = {}
        self._queue: deque[LocalJob] = deque()
        self._running: set[LocalJob] = set()
        self._followers: set[threading.Thread] = set()
        self._spare: Worker | None = None
        self._changed = threading.Condition()
        self._closed = False
        atexit.register(self.close)
        with self._changed:
            self._prepare_spare()

    def put(self, files: Mapping[str, bytes]) -> str:
        """Keep the files of a model where workers find them; gives what a job names as its subject.

        Raises Refused where the disk does not take them.
        """
        name = hashlib.sha256(b"".join(_framed(n) + _framed(files[n]) for n in sorted(files))).hexdigest()
        place = self._folder.puts / name
        try:
            for file, content in files.items():
                if not (place / file).exists():
                    write_whole(place / file, content)
        except OSError as error:
            raise not_written(error) from error
        with self._changed:
            self._forget_old_puts(place)
        return name

    def submit(self, job: Job, watcher: str) -> str:
        """Have a job done and give its key; an equal job that waits, runs or is done is not done again.

        Raises Refused where the workspace does not take it.
        """
        with self._changed:
            assert not self._closed, "the runner was closed"
            known = self._jobs.get(job.key)
            if known is None or not self._is_worth_keeping(known):
                known = self._new_job(job)
            known.watchers.add(watcher)
            self._start_waiting()
        return job.key

    def as_done(self, keys: Iterable[str], timeout: float | None = None) -> Iterator[str]:
        """The keys in the order in which their jobs end; stops silently after timeout seconds."""
        left = list(dict.fromkeys(keys))
        until = None if timeout is None else self._clock() + timeout
        while left:
            with self._changed:
                rest = None if until is None else max(0.0, until - self._clock())
                self._changed.wait_for(partial(self._over, left), rest)
                over = self._over(left)
            if not over:
                return
            over.sort(key=self._ended_at)
            left = [key for key in left if key not in over]
            yield from over

    def cancel(self, key: str, watcher: str) -> None:
        """One watcher wants it no more; the job is killed when nobody is left."""
        with self._changed:
            known = self._jobs.get(key)
            if known is None or watcher not in known.watchers:
                return
            known.watchers.discard(watcher)
            if known.watchers or not known.is_under_way:
                return
            known.unwanted = True
            if known.worker is not None:
                known.worker.kill()
            else:
                self._queue.remove(known)
                self._finish(known, State.CANCELLED)

    def info(self, key: str) -> Info:
        """How a job stands; also one that was submitted to a runner before this one."""
        with self._changed:
            return self._info(key)

    def result(self, key: str) -> bytes | None:
        """What a job left; None where it is not done, or was let go since."""
        return self._records.result(key)

    def close(self) -> None:
        """Kill every process and take no more jobs; may be called twice.

        What was under way is not noted as cancelled: nobody wanted that, and the next runner says so.
        """
        with self._changed:
            already, self._closed = self._closed, True
            for job in self._queue:
                self._finish(job, State.CANCELLED)
            self._queue.clear()
            for job in self._running:
                job.unwanted = True
                if job.worker is not None:
                    job.worker.kill()
            spare, self._spare = self._spare, None
            followers = set(self._followers)
        if spare is not None:
            spare.kill()
            spare.end()
        for follower in followers:
            follower.join()
        if not already:
            self._folder.close()
        atexit.unregister(self.close)

    # Below, the lock is held by the caller.

    def _is_worth_keeping(self, job: LocalJob) -> bool:
        """Whether an equal job need not be started again."""
        return not job.unwanted and (
            job.is_under_way or (job.state is State.DONE and self._records.has(job.job.key))
        )

    def _new_job(self, job: Job) -> LocalJob:
        known = LocalJob(job, self._folder.job(job.key))
        is_done = self._records.has(job.key)
        if not is_done:
            shutil.rmtree(known.folder, ignore_errors=True)
            try:
                write_whole(known.folder / "job.json", job.as_json().encode())
            except OSError as error:
                raise not_written(error) from error
            self._records.begin(job)
        self._jobs.pop(job.key, None)
        self._jobs[job.key] = known
        if is_done:
            self._finish(known, State.DONE)
        else:
            self._queue.append(known)
        return known

    def _start_waiting(self) -> None:
        while self._queue and len(self._running) < self._most and not self._closed:
            job = self._queue.popleft()
            try:
                job.worker = self._ready_worker()
            except OSError as error:
                job.problem = not_written(error)
                self._finish(job, State.FAILED)
                continue
            job.worker.give(job.folder / "job.json")
            job.state, job.began = State.RUNNING, self._clock()
            self._running.add(job)
            follower = threading.Thread(target=self._follow, args=(job, job.worker), daemon=True)
            self._followers.add(follower)
            follower.start()
        self._changed.notify_all()

    def _ready_worker(self) -> Worker:
        """The spare where it lives, else a new one."""
        worker, self._spare = self._spare, None
        if worker is not None and not worker.is_alive:
            worker.end()
            worker = None
        return worker or self._new_worker()

    def _new_worker(self) -> Worker:
        return Worker(self._command, self._folder.log, self._place)

    def _prepare_spare(self) -> None:
        """A spare is started when nothing runs, so that its start takes no time from a job."""
        if self._spare is None and not self._running and not self._queue and not self._closed:
            with suppress(OSError):  # the next job says so, if it is still true then
                self._spare = self._new_worker()

    def _finish(self, job: LocalJob, state: State) -> None:
        if job.is_under_way and not self._closed:
            with suppress(Refused):  # a workspace that takes no more lines says so at the next submission
                self._records.end(job.job.key, state, job.problem)
        job.state, job.ended, job.worker = state, self._clock(), None
        self._running.discard(job)
        self._forget_old_jobs()
        self._changed.notify_all()

    def _forget_old_jobs(self) -> None:
        over = [key for key, job in self._jobs.items() if not job.is_under_way]
        for key in over[:-MOST_REMEMBERED]:
            shutil.rmtree(self._jobs.pop(key).folder, ignore_errors=True)

    def _forget_old_puts(self, newest: Path) -> None:
        needed = {job.job.subject for job in self._jobs.values() if job.is_under_way}
        puts = sorted(self._folder.puts.iterdir(), key=lambda place: place.stat().st_mtime)
        for place in puts[:-MOST_PUT]:
            if place != newest and place.name not in needed:
                shutil.rmtree(place, ignore_errors=True)

    def _info(self, key: str) -> Info:
        job = self._jobs.get(key)
        if job is None or (job.state is State.DONE and not self._records.has(key)):
            return self._records.info(key)
        until = self._clock() if job.is_under_way else job.ended
        return Info(
            key=key,
            state=job.state,
            progress=job.progress,
            ahead=self._queue.index(job) + len(self._running) if job.state is State.QUEUED else 0,
            seconds=until - job.began if job.began else 0.0,
            share_before=job.share_before,
            watchers=len(job.watchers),
            problem=job.problem,
            pid=job.worker.pid if job.worker is not None else None,
            figures=tuple(job.figures),
            where=job.where if job.is_under_way else None,
        )

    def _over(self, keys: Iterable[str]) -> list[str]:
        return [key for key in keys if self._info(key).is_over]

    def _ended_at(self, key: str) -> float:
        job = self._jobs.get(key)
        return job.ended if job is not None else 0.0

    # In a thread of its own for each process.

    def _follow(self, job: LocalJob, worker: Worker) -> None:
        is_done = False
        for said in worker.lines():
            with self._changed:
                is_done = self._heard(job, said) or is_done
        state, problem = self._outcome(job, worker.end(), is_done=is_done)
        with self._changed:
            job.problem = problem
            self._finish(job, state)
            self._start_waiting()
            self._prepare_spare()
            self._followers.discard(threading.current_thread())

    def _heard(self, job: LocalJob, said: Mapping[str, Any]) -> bool:
        """Note what a worker says; whether it says that it is done."""
        match said:
            case {"progress": [done, total, note], **beside}:
                job.advance(Progress(done, total, text_from_json(note)), self._clock())
                job.figures += [beside["figures"]] if "figures" in beside else []
            case {"where": where}:
                job.where = whereabouts_from_json(where)
            case {"refused": refused}:
                job.problem = refusal_from_json(refused)
            case {"failed": failed}:
                job.problem, job.may_work_again = refusal_from_json(failed), True
            case _:
                return "done" in said
        self._changed.notify_all()
        return False

    def _outcome(self, job: LocalJob, code: int, *, is_done: bool) -> tuple[State, Refused | None]:
        """How a job ended whose process is gone; what it left is kept before anybody hears of it."""
        if is_done and (job.folder / RESULT).exists():
            return self._kept(job)
        if job.unwanted:
            return State.CANCELLED, None
        if job.problem is not None:
            return State.FAILED if job.may_work_again else State.REFUSED, job.problem
        return State.FAILED, why_without_result(job, code)

    def _kept(self, job: LocalJob) -> tuple[State, Refused | None]:
        try:
            self._records.keep(job.job.key, (job.folder / RESULT).read_bytes())
        except Refused as problem:
            return State.FAILED, problem
        except OSError as error:
            return State.FAILED, not_written(error)
        shutil.rmtree(job.folder, ignore_errors=True)
        return State.DONE, None


def _framed(part: str | bytes) -> bytes:
    content = part.encode() if isinstance(part, str) else part
    return len(content).to_bytes(8, "little") + content
