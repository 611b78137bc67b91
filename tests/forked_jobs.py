"""Workers for the jobs of forked servers, which need not import torch again either.

A server starts this file where it would start `python -m compress_core.jobs --wait`: it hands its pipes to
the nursery (tests/server_nursery.py), which forks the worker, and ends when that ends, with its exit code.
When this process is killed, so is the worker.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress

MOST_BYTES = 2**20


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
    said, pipes, _, _ = socket.recv_fds(asked, MOST_BYTES, 3)
    worker = os.fork()
    if worker == 0:
        asked.close()
        _work(pipes, json.loads(said))
    for pipe in (0, 1, 2, *pipes):
        os.close(pipe)
    ended = os.pidfd_open(worker)
    if ended not in select.select([asked, ended], [], [])[0]:
        os.kill(worker, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    with suppress(OSError):  # whoever was killed is told nothing
        asked.send(str(code).encode())
    os._exit(0)


def _work(pipes: list[int], environment: dict[str, str]) -> None:
    from compress_core.jobs.__main__ import WAIT, main

    os.setsid()
    for own, given in enumerate(pipes):
        os.dup2(given, own)
        os.close(given)
    os.environ.clear()
    os.environ.update(environment)
    os._exit(main([WAIT]))


def ask(name: str) -> int:
    """Be a worker, as far as the server sees; gives its exit code."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as nursery:
        nursery.connect(f"\0{name}")
        socket.send_fds(nursery, [json.dumps(dict(os.environ)).encode()], [0, 1, 2])
        os.closerange(0, 3)
        return int(nursery.recv(MOST_BYTES))


if __name__ == "__main__":
    os._exit(ask(sys.argv[1]) & 0xFF)
