"""`python -m compress_core.jobs job.json` does one job; with --wait the path comes as a line on stdin.

With --cluster the job is that of the folder it runs in, on a cluster: see `cluster.driver`.

Progress goes to stdout as lines of JSON, everything else to stderr. A waiting worker has imported all
it needs. It ends when its stdin is closed: with the server, however that ends.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

WAIT, CLUSTER = "--wait", "--cluster"
LOG = "log.txt"
NICE = 5
USAGE = "usage: python -m compress_core.jobs JOB.JSON | --wait | --cluster\n"


def main(arguments: list[str]) -> int:
    """Do one job; 2 where the arguments are wrong."""
    if len(arguments) != 1:
        sys.stderr.write(USAGE)
        return 2
    if arguments == [CLUSTER]:
        return importlib.import_module("compress_core.jobs.cluster.driver").driving()  # type: ignore[no-any-return]
    lines = _own_stdout()
    if arguments != [WAIT]:
        _work(Path(arguments[0]), lines)
        return 0
    _import_what_takes_long()
    _say(lines, {"ready": True})
    path = sys.stdin.readline().strip()
    if path:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
        _errors_into(Path(path).parent / LOG)
        _work(Path(path), lines)
        os._exit(0)  # the result is on the disk: taking torch apart would only keep the next job waiting
    return 0


def _work(path: Path, lines: TextIO) -> None:
    import torch

    from compress_core.jobs.perform import run_job

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    run_job(path, lambda said: _say(lines, said))


def _import_what_takes_long() -> None:
    for name in ("captum.attr", "compress_core.jobs.perform", "compress_core.deliver.packing.beforehand"):
        importlib.import_module(name)
    if hasattr(os, "nice"):
        os.nice(NICE)  # pages stay quick while a job runs


def _own_stdout() -> TextIO:
    """Keep stdout for our lines; what libraries print goes to stderr."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return lines


def _errors_into(log: Path) -> None:
    with log.open("a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    faulthandler.enable()


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(1)


def _say(lines: TextIO, said: dict[str, Any]) -> None:
    lines.write(json.dumps(said) + "\n")
    lines.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
