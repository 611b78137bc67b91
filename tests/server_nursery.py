"""A process that has imported all that a server does, and forks servers: `python -m tests.server_nursery`.

Each line of its stdin is a request in JSON and gets one line back. {"begin": arguments of streamlit,
"settings": variables} gives the number of the new process; {"end": number} ends it and gives its exit code;
{"lives": number} says whether it runs. When stdin is closed, every server ends. The jobs of these servers are
forks as well (tests/forked_jobs.py); {"jobs": true} gives what a runner in another process starts for that.
{"call": a pickled function and its arguments, in hex} gives the number of a process that calls it
(tests/forked_call.py), {"import": names} has what it needs here first, and {"reap": number} gives the exit
code of one that has ended.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import pkgutil
import select
import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

from tests import forked_jobs

if TYPE_CHECKING:
    import socket

HOMES = ("compress_core", "dashboard")
PATIENCE_S, LOOK_AGAIN_S = 20, 0.05


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import_what_servers_import()
    assert_alone()
    jobs = forked_jobs.listen()
    servers: set[int] = set()
    guards: set[int] = set()
    while True:
        ready = select.select([sys.stdin, jobs], [], [])[0]
        guards = {guard for guard in guards if not has_ended(guard)}
        if jobs in ready:
            guards.add(forked_jobs.fork_guard(jobs))
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                break
            answer = answered(json.loads(line), servers, jobs)
            if answer is None:
                return  # a server has ended
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    for server in servers:
        ended(server)


def assert_alone() -> None:
    assert threading.active_count() == 1, "another thread may hold a lock that no fork gives back"


def has_ended(process: int) -> bool:
    return os.waitpid(process, os.WNOHANG)[0] != 0


def import_what_servers_import() -> None:
    """All modules of the dashboard and what they need, as a server has them after its first visitors."""
    importlib.import_module("streamlit.web.cli")
    importlib.import_module("streamlit.web.server.starlette.starlette_server")
    importlib.import_module("captum.attr")
    importlib.import_module("torch._dynamo")  # as the first training does
    for home in HOMES:
        for found in pkgutil.walk_packages(importlib.import_module(home).__path__, f"{home}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    importlib.import_module("dashboard.engine")._import_slow_libraries()
    importlib.import_module("compress_core.deliver.packing.beforehand").compile_beforehand()


def answered(request: dict[str, Any], living: set[int], jobs: socket.socket) -> Any:
    """What is answered; None in a server that has ended."""
    match request:
        case {"begin": arguments, "settings": settings}:
            process = os.fork()
            if process == 0:
                serve(arguments, settings, forked_jobs.command(jobs))
                return None
            living.add(process)
            return process
        case {"jobs": _}:
            return forked_jobs.command(jobs)
        case {"lives": process}:
            return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        case {"end": process}:
            living.discard(process)
            return ended(process)
    return answered_for_calls(request, living)


def answered_for_calls(request: dict[str, Any], living: set[int]) -> Any:
    match request:
        case {"import": names}:
            for name in names:
                importlib.import_module(name)
            assert_alone()
            return True
        case {"call": pickled}:
            process = os.fork()
            if process == 0:
                call(pickled)
            living.add(process)
            return process
        case {"reap": process}:
            living.discard(process)
            return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    raise AssertionError(request)


def serve(arguments: list[str], settings: dict[str, str], job_command: tuple[str, ...]) -> None:
    """Be a server, until it is told to end."""
    from streamlit.web import cli

    forked_jobs.jobs_are_forks(job_command)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.environ |= settings
    cli.main(arguments, standalone_mode=False)


def call(pickled: str) -> NoReturn:
    """Call what was asked for, with nothing to read, and end."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    status = 1
    try:
        function, arguments = pickle.loads(bytes.fromhex(pickled))
        function(*arguments)
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


def ended(process: int) -> int:
    """End it, with force where it does not listen; its exit code."""
    os.kill(process, signal.SIGTERM)
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(LOOK_AGAIN_S)
    os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    main()
