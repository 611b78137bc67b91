"""Jobs in processes of their own on this machine: a queue, one warm spare, results in a folder.

The seam is six calls: put, submit, as_done, cancel, info, close. A cluster can stand behind the same six.
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from compress_core.foundation.atomic_file import write_whole
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress
from compress_core.jobs.info import Info, State
from compress_core.jobs.job import Job, refusal_from_json
from compress_core.jobs.process import COMMAND, Worker

RESULT = "result.safetensors"
LOG = "log.txt"
MOST_RESULTS = 64
MOST_PUT = 16


class Runner(Protocol):
    """Who does the jobs: this machine now, a cluster later."""

    def put(self, files: Mapping[str, bytes]) -> str:
        """Keep the files of a model where workers find them; gives what a job names as its subject."""

    def submit(self, job: Job, watcher: str) -> str:
        """Have a job done and give its key; an equal job that waits, runs or is done is not done again."""

    def as_done(self, keys: Iterable[str], timeout: float | None = None) -> Iterator[str]:
        """The keys in the order in which their jobs end; stops silently after timeout seconds."""

    def cancel(self, key: str, watcher: str) -> None:
        """One watcher wants it no more; the job is killed when nobody is left."""

    def info(self, key: str) -> Info:
        """How a job stands."""

    def close(self) -> None:
        """Kill every process and take no more jobs."""


@dataclass(eq=False)
class _Entry:
    """What the runner knows of a job; written under its lock only."""

    job: Job
    folder: Path
    watchers: set[str] = field(default_factory=set)
    state: State = State.QUEUED
    worker: Worker | None = None
    progress: Progress | None = None
    began: float = 0.0
    ended: float = 0.0
    problem: Refused | None = None
    unwanted: bool = False


class LocalRunner:
    """A `Runner` with at most so many processes at once; folder None: one of its own, removed by `close`."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        most_at_once: int = 1,
        command: Sequence[str] = COMMAND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._removes_folder = folder is None
        self._folder = Path(tempfile.mkdtemp(prefix="slimscope-")) if folder is None else folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._most, self._command, self._clock = most_at_once, tuple(command), clock
        self._entries: dict[str, _Entry] = {}
        self._queue: deque[_Entry] = deque()
        self._running: set[_Entry] = set()
        self._followers: set[threading.Thread] = set()
        self._spare: Worker | None = None
        self._changed = threading.Condition()
        self._closed = False
        atexit.register(self.close)
        with self._changed:
            self._prepare_spare()

    def put(self, files: Mapping[str, bytes]) -> str:
        """Keep the files of a model where workers find them; gives what a job names as its subject."""
        name = hashlib.sha256(b"".join(_framed(n) + _framed(files[n]) for n in sorted(files))).hexdigest()
        place = self._folder / "put" / name
        for file, content in files.items():
            if not (place / file).exists():
                write_whole(place / file, content)
        with self._changed:
            self._forget_old_puts(place)
        return str(place)

    def submit(self, job: Job, watcher: str) -> str:
        """Have a job done and give its key; an equal job that waits, runs or is done is not done again."""
        with self._changed:
            assert not self._closed, "the runner was closed"
            entry = self._entries.get(job.key)
            if entry is None or not _is_worth_keeping(entry):
                entry = self._new_entry(job)
            entry.watchers.add(watcher)
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
            entry = self._entries.get(key)
            if entry is None or watcher not in entry.watchers:
                return
            entry.watchers.discard(watcher)
            if entry.watchers or entry.state not in {State.QUEUED, State.RUNNING}:
                return
            entry.unwanted = True
            if entry.worker is not None:
                entry.worker.kill()
            else:
                self._queue.remove(entry)
                self._finish(entry, State.CANCELLED)

    def info(self, key: str) -> Info:
        """How a job stands."""
        with self._changed:
            return self._info(key)

    def close(self) -> None:
        """Kill every process and take no more jobs; may be called twice."""
        with self._changed:
            self._closed = True
            for entry in self._queue:
                self._finish(entry, State.CANCELLED)
            self._queue.clear()
            for entry in self._running:
                entry.unwanted = True
                if entry.worker is not None:
                    entry.worker.kill()
            spare, self._spare = self._spare, None
            followers = set(self._followers)
        if spare is not None:
            spare.kill()
            spare.end()
        for follower in followers:
            follower.join()
        if self._removes_folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.close)

    # Below, the lock is held by the caller.

    def _new_entry(self, job: Job) -> _Entry:
        folder = self._folder / "jobs" / job.key
        entry = _Entry(job, folder)
        self._entries.pop(job.key, None)
        self._entries[job.key] = entry
        if (folder / RESULT).exists():
            self._finish(entry, State.DONE)
            return entry
        shutil.rmtree(folder, ignore_errors=True)
        write_whole(folder / "job.json", job.as_json().encode())
        self._queue.append(entry)
        return entry

    def _start_waiting(self) -> None:
        while self._queue and len(self._running) < self._most and not self._closed:
            entry = self._queue.popleft()
            worker, self._spare = self._spare, None
            if worker is not None and not worker.is_alive:
                worker.end()
                worker = None
            entry.worker = worker or self._new_worker()
            entry.worker.give(entry.folder / "job.json")
            entry.state, entry.began = State.RUNNING, self._clock()
            self._running.add(entry)
            follower = threading.Thread(target=self._follow, args=(entry, entry.worker), daemon=True)
            self._followers.add(follower)
            follower.start()
        self._changed.notify_all()

    def _new_worker(self) -> Worker:
        return Worker(self._command, self._folder / "workers.txt")

    def _prepare_spare(self) -> None:
        """A spare is started when nothing runs, so that its start takes no time from a job."""
        if self._spare is None and not self._running and not self._queue and not self._closed:
            self._spare = self._new_worker()

    def _finish(self, entry: _Entry, state: State) -> None:
        entry.state, entry.ended, entry.worker = state, self._clock(), None
        self._running.discard(entry)
        self._forget_old_results()
        self._changed.notify_all()

    def _forget_old_results(self) -> None:
        over = [
            key for key, entry in self._entries.items() if entry.state not in {State.QUEUED, State.RUNNING}
        ]
        for key in over[:-MOST_RESULTS]:
            shutil.rmtree(self._entries.pop(key).folder, ignore_errors=True)

    def _forget_old_puts(self, newest: Path) -> None:
        needed = {e.job.subject for e in self._entries.values() if e.state in {State.QUEUED, State.RUNNING}}
        puts = sorted((self._folder / "put").iterdir(), key=lambda place: place.stat().st_mtime)
        for place in puts[:-MOST_PUT]:
            if place != newest and str(place) not in needed:
                shutil.rmtree(place, ignore_errors=True)

    def _info(self, key: str) -> Info:
        entry = self._entries.get(key)
        if entry is None:
            return Info(key, State.UNKNOWN)
        until = entry.ended if entry.state not in {State.QUEUED, State.RUNNING} else self._clock()
        return Info(
            key=key,
            state=entry.state,
            progress=entry.progress,
            ahead=self._queue.index(entry) + len(self._running) if entry.state is State.QUEUED else 0,
            seconds=until - entry.began if entry.began else 0.0,
            watchers=len(entry.watchers),
            problem=entry.problem,
            result=entry.folder / RESULT if entry.state is State.DONE else None,
            pid=entry.worker.pid if entry.worker is not None else None,
        )

    # In a thread of its own for each process.

    def _follow(self, entry: _Entry, worker: Worker) -> None:
        is_done = False
        for said in worker.lines():
            with self._changed:
                is_done = self._heard(entry, said) or is_done
        code = worker.end()
        with self._changed:
            self._finish(entry, self._outcome(entry, code, is_done=is_done))
            self._start_waiting()
            self._prepare_spare()
            self._followers.discard(threading.current_thread())

    def _heard(self, entry: _Entry, said: Mapping[str, Any]) -> bool:
        """Note what a worker says; whether it says that it is done."""
        match said:
            case {"progress": [done, total, note]}:
                entry.began = entry.began if entry.progress else self._clock()
                entry.progress = Progress(done, total, note)
            case {"refused": refused}:
                entry.problem = refusal_from_json(refused)
            case _:
                return "done" in said
        self._changed.notify_all()
        return False

    def _outcome(self, entry: _Entry, code: int, *, is_done: bool) -> State:
        if is_done and (entry.folder / RESULT).exists():
            return State.DONE
        if entry.unwanted:
            return State.CANCELLED
        if entry.problem is not None:
            return State.REFUSED
        entry.problem = _sentence(entry, code)
        return State.FAILED

    def _over(self, keys: Iterable[str]) -> list[str]:
        return [key for key in keys if self._info(key).is_over]

    def _ended_at(self, key: str) -> float:
        entry = self._entries.get(key)
        return entry.ended if entry is not None else 0.0


def _is_worth_keeping(entry: _Entry) -> bool:
    """Whether an equal job need not be started again."""
    return entry.state in {State.QUEUED, State.RUNNING, State.DONE} and not entry.unwanted


def _framed(part: str | bytes) -> bytes:
    content = part.encode() if isinstance(part, str) else part
    return len(content).to_bytes(8, "little") + content


def _sentence(entry: _Entry, code: int) -> Refused:
    """Why a process ended without a result."""
    if code < 0:
        return Refused(
            "The process of this job was ended from outside (signal {signal}), perhaps because memory ran "
            "out: start it again, with fewer items if it happens twice.",
            signal=-code,
        )
    return Refused(
        "The job stopped with an error of the program ({reason}): the file {log} in the server's folder of "
        "jobs says more.",
        reason=_last_line(entry.folder / LOG),
        log=f"{entry.job.key[:12]}.../{LOG}",
    )


def _last_line(log: Path) -> str:
    """The last line of a traceback names the error."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:200] if said else "it said nothing"
