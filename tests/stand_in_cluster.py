"""A stand-in for a Ray cluster: its Jobs API over HTTP, and each job a process of this machine.

It answers as Ray 2.60 does, and has the faults that a test asks for. `benchmarks/cluster.py` asks a real one.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tempfile
import threading
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from compress_core.jobs.cluster.lines import marked_line, result_lines

TOKEN = "open sesame"


@dataclass(eq=False)
class RemoteJob:
    """One job of the stand-in; what it printed is its log."""

    folder: Path
    process: subprocess.Popen[str] | None = None
    log: str = "something that is not ours\n"
    status: str = "PENDING"
    message: str = ""
    code: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {"status": self.status, "message": self.message, "driver_exit_code": self.code}


@dataclass(eq=False)
class Faults:
    """What goes wrong: results cut off so many times, or sent twice; seconds that a log takes; no start."""

    cut_results: int = 0
    twice: bool = False
    slow: float = 0.0
    pending: bool = False
    lost_nodes: int = 0
    no_memory: str = ""


class StandInCluster:
    """The head of a cluster on a port of this machine; it may go and come back on the same port."""

    def __init__(self, command: Sequence[str], port: int = 0) -> None:
        self.command = list(command)
        self.faults = Faults()
        self.jobs: dict[str, RemoteJob] = {}
        self.packages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self._server: ThreadingHTTPServer | None = None
        self.port = port
        self.come()

    def come(self) -> None:
        """Begin to answer, and know of nothing."""
        self.jobs, self.packages = {}, {}
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def go(self) -> None:
        """Answer no more; what it ran is gone with it."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for job in self.jobs.values():
            if job.process is not None:
                job.process.kill()
                job.process.wait()

    @property
    def address(self) -> str:
        return f"ray://127.0.0.1:{self.port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
                pass

            def _do(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                cluster.asked.append(f"{self.command} {self.path}")
                allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
                code, said = cluster.answer(self.command, self.path, content) if allowed else (401, {})
                body = json.dumps(said).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = _do  # noqa: N815 - the names of the library

        return Handler

    def answer(self, method: str, path: str, content: bytes) -> tuple[int, dict[str, Any]]:  # noqa: PLR0911
        match [method, *path.strip("/").split("/")]:
            case ["GET", "api", "packages", "gcs", name]:
                return (200, {}) if name in self.packages else (404, {})
            case ["PUT", "api", "packages", "gcs", name]:
                self.packages[name] = content
                return 200, {}
            case ["POST", "api", "jobs"]:
                return self._begin(json.loads(content))
            case ["GET", "api", "jobs", name] if name in self.jobs:
                return 200, self.jobs[name].as_json()
            case ["GET", "api", "jobs", name, "logs"] if name in self.jobs:
                threading.Event().wait(self.faults.slow)
                return 200, {"logs": self.jobs[name].log}
            case ["POST", "api", "jobs", name, "stop"] if name in self.jobs:
                return self._stop(self.jobs[name])
        return 404, {}

    def _begin(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        folder = Path(tempfile.mkdtemp(prefix="slimscope-cluster-"))
        package = asked["runtime_env"]["working_dir"].removeprefix("gcs://")
        zipfile.ZipFile(io.BytesIO(self.packages[package])).extractall(folder)
        job = self.jobs[asked["submission_id"]] = RemoteJob(folder)
        if not self.faults.pending:
            threading.Thread(target=self._run, args=(job,), daemon=True).start()
        return 200, {"submission_id": asked["submission_id"]}

    def _stop(self, job: RemoteJob) -> tuple[int, dict[str, Any]]:
        if job.process is not None and job.process.poll() is None:
            job.status = "STOPPED"
            job.process.kill()
        elif job.status == "PENDING":
            job.status = "STOPPED"
        return 200, {"stopped": True}

    def _run(self, job: RemoteJob) -> None:
        if self.faults.lost_nodes:
            self.faults.lost_nodes -= 1
            job.status, job.message = "FAILED", "Unexpected error occurred: the node of the job was lost"
            return
        job.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        job.status = "RUNNING"
        assert job.process.stdin is not None
        assert job.process.stdout is not None
        assert job.process.stderr is not None
        job.process.stdin.write(f"{job.folder / 'job.json'}\n")
        job.process.stdin.flush()
        for line in job.process.stdout:
            self._hear(job, line)
        job.code = job.process.wait()
        job.log += job.process.stderr.read() + _read(job.folder / "log.txt")
        if self.faults.no_memory:  # what a driver prints when a part of its job failed for good
            job.log += f"Traceback (most recent call last):\n{self.faults.no_memory}\n"
        if job.status != "STOPPED":
            job.status = "SUCCEEDED" if job.code == 0 else "FAILED"

    def _hear(self, job: RemoteJob, line: str) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            job.log += line
            return
        result = job.folder / "result.safetensors"
        if "done" in said:
            lines = [marked_line(each) for each in result_lines(result.read_bytes())]
            if self.faults.cut_results:
                self.faults.cut_results -= 1
                lines = lines[:-1]
            for text in lines * (2 if self.faults.twice else 1):
                job.log += text + "\n"
        job.log += marked_line(said) + "\n"


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def ended_by(job: RemoteJob, number: signal.Signals) -> None:
    """Kill the process of a job, as a machine out of memory does."""
    assert job.process is not None
    os.kill(job.process.pid, number)
