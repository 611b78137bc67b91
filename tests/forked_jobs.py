"""Workers for the jobs of forked servers, which need not import torch again either; and pages of programs.

A server starts this file where it would start `python -m compress_core.jobs --wait`, and a program, with the
request for a page, where it would start `python -m dashboard`. With --main MODULE it does what `main()` of a
module of the tests does. It hands its pipes to the nursery
(tests/server_nursery.py), which forks the worker or the page, and ends when that ends, with its exit code.
When this process is killed, so is the fork.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

MOST_BYTES = 2**20
MAIN = "--main"


def listen() -> socket.socket:
    """Where workers are asked for; Linux knows such a name without a file."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(f"\0slimscope-{os.getpid()}")
    listening.listen()
    return listening


def command(listening: socket.socket) -> tuple[str, ...]:
    """What a server starts."""
    return (sys.executable, "-I", "-S", __file__, listening.getsockname()[1:].decode())


def fork_guard(listening: socket.socket) -> int:
    """Fork a worker and who watches over it; gives the number of the latter."""
    asked, _ = listening.accept()
    guard = os.fork()
    if guard == 0:
        listening.close()
        _guard(asked)
    asked.close()
    return guard


def _guard(asked: socket.socket) -> None:
    said, pipes, _, _ = socket.recv_fds(asked, MOST_BYTES, 4)
    worker = os.fork()
    if worker == 0:
        job_command = command(asked)
        asked.close()
        _work(pipes, json.loads(said), job_command)
    for pipe in (0, 1, 2, *pipes):
        os.close(pipe)
    ended = os.pidfd_open(worker)
    if ended not in select.select([asked, ended], [], [])[0]:
        os.kill(worker, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    with suppress(OSError):  # whoever was killed is told nothing
        asked.send(str(code).encode())
    os._exit(0)


def _work(pipes: list[int], told: dict[str, Any], job_command: tuple[str, ...]) -> None:
    """Be what was asked for: a module's main, a page, or without a request a worker that waits for a job."""
    os.setsid()
    folder = pipes.pop()
    os.fchdir(folder)
    os.close(folder)
    for own, given in enumerate(pipes):
        os.dup2(given, own)
        os.close(given)
    os.environ.clear()
    os.environ.update(told["environment"])
    if told["requests"][:1] == [MAIN]:
        _be(*told["requests"][1:])
    if told["requests"]:
        jobs_are_forks(job_command)
        from dashboard.__main__ import main as serve

        os._exit(serve(told["requests"]))
    from compress_core.jobs.__main__ import WAIT, main

    os._exit(main([WAIT]))


def _be(module: str, *arguments: str) -> NoReturn:
    """Call `main()` of a module as if Python had been started with it."""
    sys.argv[:] = [module, *arguments]
    code = 1
    try:
        import_module(module).main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        if code == 1:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def jobs_are_forks(job_command: tuple[str, ...]) -> None:
    """Have the runners of this process start this file."""
    from functools import partial

    from compress_core.jobs import local_runner
    from compress_core.jobs.cluster import ray_runner  # noqa: F401 - before what it stands on is replaced

    local_runner.LocalRunner = partial(local_runner.LocalRunner, command=job_command)  # type: ignore[misc]


def ask(name: str, requests: list[str]) -> int:
    """Be a worker or a page, as far as those who started this see; gives its exit code."""
    told = {"environment": dict(os.environ), "requests": requests}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as nursery:
        nursery.connect(f"\0{name}")
        socket.send_fds(nursery, [json.dumps(told).encode()], [0, 1, 2, os.open(".", os.O_RDONLY)])
        os.closerange(0, 3)
        return int(nursery.recv(MOST_BYTES))


if __name__ == "__main__":
    os._exit(ask(sys.argv[1], sys.argv[2:]) & 0xFF)
