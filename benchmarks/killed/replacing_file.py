"""One file written in place of another."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.killed_process import Say
from benchmarks.killed_work import Killed, Traces, killed, nothing, sha
from compress_core.foundation.atomic_file import write_whole

_TIMES = 100000


@killed("writes a file in place of another", order=3)
def replacing_file(*, small: bool) -> Killed:
    """Each round says its number when its file is there."""
    return Killed(partial(_replace, rounds=8 if small else 60), nothing, _lost, _damaged)


def _replace(folder: Path, say: Say, *, rounds: int) -> str:
    for n in range(rounds):
        write_whole(folder / "model.bin", b"%09d" % n * _TIMES)
        say(str(n))
    return sha(folder / "model.bin")


def _lost(traces: Traces) -> int:
    content = _content(traces.folder / "model.bin")
    return int(bool(traces.said) and (not content or int(content[:9]) < int(traces.said[-1])))


def _damaged(traces: Traces) -> int:
    content = _content(traces.folder / "model.bin")
    return int(content != content[:9] * (len(content) // 9) or len(content) not in {0, 9 * _TIMES})


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
