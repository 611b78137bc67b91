"""`python -m compress_core.jobs.cluster.bridge` stands here for a job that a cluster does. Needs no torch.

It takes the place of a worker: the path of a job comes as a line on its stdin, and what it says on its stdout
is what a worker says. A page never waits for the cluster: this process does. SIGTERM, or the end of its
stdin, ends the job on the cluster too.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from compress_core.foundation.atomic_file import write_whole
from compress_core.foundation.errors import Refused
from compress_core.foundation.plain_json import text_as_json
from compress_core.foundation.refusal_json import refusal_as_json
from compress_core.foundation.release import release
from compress_core.foundation.texts import N_
from compress_core.foundation.workspace.workspace import Workspace, open_workspace
from compress_core.jobs.cluster.address import required_address
from compress_core.jobs.cluster.endings import is_the_clusters, why_it_ended
from compress_core.jobs.cluster.lines import ResultPieces, Said, said_in
from compress_core.jobs.cluster.ray_jobs import ClusterSilentError, RayJobs, RemoteState, UnknownThereError
from compress_core.jobs.cluster.rows import checked_row
from compress_core.jobs.job import Job
from compress_core.jobs.local_job import RESULT
from compress_core.jobs.server_folder import not_written, puts_beside
from compress_core.jobs.whereabouts import JobStage, Whereabouts

COMMAND = (sys.executable, "-m", "compress_core.jobs.cluster.bridge")
ENTRYPOINT = "python -m compress_core.jobs --cluster"
JOB, KNOWN, RELEASE = "job.json", "known.json", "release.txt"
PUT = "slimscope_put_"
SOON_SECONDS, EVERY_SECONDS, SLOWER = 0.1, 2.0, 1.05
"""Pauses between looks at the cluster: a twentieth of the time since a job was sent, up to a bound.

A look takes some 15 ms of a processor there, which is one that measures where there are few.
"""
MOST_ATTEMPTS = 3
DIVIDED = frozenset({"scan", "search"})
"""Kinds of jobs that are done in parts: who hands them out takes no processor from those who do them."""
SILENT = N_("The cluster does not answer; the job waits for it.")

Tell = Callable[[Said], None]


@dataclass(eq=False)
class Bridge:
    """One job between this server and a cluster.

    unwanted: set when nobody wants the job any more; clock: the seconds that go by, and wall: what a clock on
    the wall says; where: what was said last of where the job is; answered: when the cluster did last; pause:
    the seconds before it is looked at again.
    """

    jobs: RayJobs
    path: Path
    workspace: Workspace
    say: Tell
    patience: float
    unwanted: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.monotonic
    entrypoint: str = ENTRYPOINT
    name: str = ""
    attempts: int = 0
    heard: int = 0
    pause: float = SOON_SECONDS
    pieces: ResultPieces = field(default_factory=ResultPieces)
    ended_with: Said | None = None
    last: Said = field(
        default_factory=lambda: {"progress": [0, 1, text_as_json(N_("waiting for the cluster"))]}
    )
    silent_since: float | None = None
    wall: Callable[[], float] = time.time
    where: Whereabouts | None = None
    answered: float | None = None

    def run(self) -> None:
        """Have the job done, and say how far it is until it is over."""
        job = Job.read(self.path.read_text(encoding="utf-8"))
        self.say(self.last)
        self._tell_where(stage=JobStage.WAITING)
        while not self.unwanted.is_set():
            try:
                if self._looked(job):
                    return
                self.silent_since = None
            except Refused as refused:
                self._stop()
                self.say({"refused": refusal_as_json(refused)})
                return
            except UnknownThereError:
                self._begin_again()
            except ClusterSilentError as silent:
                if self._gave_up(silent):
                    return
            self.unwanted.wait(self.pause)
            self.pause = min(EVERY_SECONDS, SLOWER * self.pause)
        self._stop()

    def _looked(self, job: Job) -> bool:
        """One look at the cluster; whether the job is over, as its driver says, or Ray some seconds later."""
        if not self.name:
            self._submit(job)
        state = self.jobs.state(self.name)
        log = self.jobs.log(self.name)
        self.answered = self.wall()
        self._tell_where(
            stage=JobStage.WAITING if state.status == "PENDING" else JobStage.RUNNING, silent_since=None
        )
        self._hear(log)
        told = self.ended_with is not None or self.pieces.content is not None
        return bool(self.name) and (told or state.is_over) and self._over(state, log)

    def _submit(self, job: Job) -> None:
        known = self.workspace.scans.of_model(job.model) if job.kind in DIVIDED else {}
        own = {
            JOB: job.as_json().encode(),
            KNOWN: json.dumps(known).encode(),
            RELEASE: release().encode(),
        }
        name = f"slimscope-{job.key[:20]}-{uuid.uuid4().hex[:8]}"
        environment: dict[str, Any] = {"working_dir": self.jobs.put(name, own)}
        place = puts_beside(self.path.parent) / job.subject
        if place.is_dir():
            put = PUT + job.subject
            files = {f"{put}/{file.name}": file.read_bytes() for file in sorted(place.iterdir())}
            environment["py_modules"] = [self.jobs.put(job.subject[:32], files)]
        processors = 0 if job.kind in DIVIDED else 1
        self.jobs.submit(name, self.entrypoint, environment, processors)
        self.name, self.heard, self.pieces, self.ended_with = name, 0, ResultPieces(), None
        self.pause = SOON_SECONDS
        self.attempts += 1
        self._tell_where(stage=JobStage.WAITING, silent_since=None, parts_done=0, parts=0, workers=0)

    def _hear(self, log: str) -> None:
        """Pass on what was said since the last look."""
        for number, said in enumerate(said_in(log)):
            if number < self.heard:
                continue
            self.heard = number + 1
            self._take(said)

    def _take(self, said: Said) -> None:
        if "progress" in said:
            self.last = said
            self.say(said)
        elif "refused" in said or "failed" in said:
            self.ended_with = said
        elif "piece" in said or "whole" in said:
            self.pieces.take(said)
        else:
            match said:
                case {"row": row, "key": str(key), "parent": str(parent)}:
                    self.workspace.scans.keep(key, parent, checked_row(row, key, parent))
                case {"parts": [int(done), int(parts)], "workers": int(workers)}:
                    self._tell_where(parts_done=done, parts=parts, workers=workers)

    def _tell_where(self, **changed: Any) -> None:
        """Say where the job is, where that is not what was said last."""
        known = self.where or Whereabouts(self.jobs.host, JobStage.WAITING)
        where = replace(known, **changed)
        if where != self.where:
            self.where = where
            self.say({"where": where.as_json()})

    def _over(self, state: RemoteState, log: str) -> bool:
        """Tell how the job ended; not over where it is worth another attempt."""
        if self.ended_with is not None:
            self.say(self.ended_with)
            return True
        if self.pieces.content is not None:
            try:
                write_whole(self.path.parent / RESULT, self.pieces.content)
            except OSError as error:
                self._fail(not_written(error))
            else:
                self.say({"done": True})
            return True
        if is_the_clusters(state) and self.attempts < MOST_ATTEMPTS:
            self._begin_again()
            return False
        self._fail(why_it_ended(state, log))
        return True

    def _begin_again(self) -> None:
        """What was measured is known here by now, and goes along with the next attempt."""
        if self.attempts >= MOST_ATTEMPTS:
            self.attempts = 0
            raise Refused(
                "The cluster lost this job {times} times: start it again later.", times=MOST_ATTEMPTS
            )
        self.name = ""

    def _gave_up(self, silent: ClusterSilentError) -> bool:
        """Whether the cluster has been silent for too long; until then the job waits, and says so."""
        now = self.clock()
        if self.silent_since is None:
            self.silent_since = now
            done, total, _ = self.last["progress"]
            self.say({"progress": [done, total, text_as_json(SILENT)]})
            self._tell_where(stage=JobStage.SILENT, silent_since=self.answered or self.wall())
        if now - self.silent_since < self.patience:
            return False
        self._fail(
            Refused(
                "The cluster has not answered for {minutes:.0f} minutes ({reason}): look whether its head "
                "runs, then start the job again. What was measured is kept.",
                minutes=(now - self.silent_since) / 60,
                reason=str(silent)[:120],
            )
        )
        return True

    def _fail(self, problem: Refused) -> None:
        self.say({"failed": refusal_as_json(problem)})

    def _stop(self) -> None:
        if not self.name:
            return
        try:
            self.jobs.stop(self.name)
        except (ClusterSilentError, UnknownThereError, Refused) as error:
            sys.stderr.write(f"{self.name} could not be stopped: {error}\n")


def bridging() -> int:
    """Do one job; its path comes as a line on stdin."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(said: Mapping[str, Any]) -> None:
        lines.write(json.dumps(said) + "\n")
        lines.flush()

    say({"ready": True})
    path = sys.stdin.readline().strip()
    if not path:
        return 0
    unwanted = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: unwanted.set())
    threading.Thread(target=_until_stdin_ends, args=(unwanted,), daemon=True).start()
    try:
        address = required_address()
        entrypoint = os.environ.get("SLIMSCOPE_RUNNER_ENTRYPOINT", ENTRYPOINT)
        bridge = Bridge(
            RayJobs(address),
            Path(path),
            open_workspace(),
            say,
            address.patience,
            unwanted,
            entrypoint=entrypoint,
        )
        bridge.run()
    except Refused as refused:
        say({"refused": refusal_as_json(refused)})
    return 0


def _until_stdin_ends(unwanted: threading.Event) -> None:
    sys.stdin.read()
    unwanted.set()


if __name__ == "__main__":
    sys.exit(bridging())
