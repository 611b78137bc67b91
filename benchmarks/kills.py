"""What is lost when a process is killed while it works on a workspace: acknowledged rows, and whole files."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.networks import FULL, Size
from compress_core.foundation.workspace import database
from compress_core.foundation.workspace.checking import check
from compress_core.foundation.workspace.schema import MIGRATIONS
from compress_core.foundation.workspace.workspace import Workspace

EACH = 34  # kills of each kind: about a hundred
LONGEST_S = 0.2
_PATIENCE_S = 60.0
_ASK_EVERY_S = 0.005
_SAVE = """
import itertools, sys
from pathlib import Path
from compress_core.foundation.workspace.workspace import Workspace
print("opening", flush=True)
place = Workspace.at(Path(sys.argv[1]), max_bytes=2**22)
place.models.add("root", None, None, "digest", "lenet")
for n in itertools.count():
    key = f"k{n}"
    files = {"trained": key.encode() * 50} if n % 9 == 0 else {}
    place.models.add(key, "root", {"n": n}, "digest", "lenet", files)
    place.evaluations.keep(key, "validation", "items", n, {})
    place.results.keep(key, "kind", key.encode() * 20000)
    print(key, flush=True)
"""
_EXPORT = """
import itertools, sys
from pathlib import Path
from compress_core.foundation.atomic_file import write_whole
print("opening", flush=True)
for n in itertools.count():
    write_whole(Path(sys.argv[1]) / "model.bin", b"%09d" % n * 100000)
    print(n, flush=True)
"""


def lines(size: Size) -> Iterator[str]:
    """A row for each kind of work: kills, acknowledged writes, how many of them are lost, what is damaged."""
    yield "| killed while it | kills | acknowledged | lost | damaged |"
    yield "| --- | --- | --- | --- | --- |"
    for name, (begin, script, look) in _KINDS.items():
        acknowledged = lost = damaged = 0
        kills = EACH if size == FULL else 1
        for seed in range(kills):
            with tempfile.TemporaryDirectory() as folder:
                begin(Path(folder))
                said = _killed(script, Path(folder), _moment(name, seed))
                gone, broken = look(Path(folder), said)
            acknowledged, lost, damaged = acknowledged + len(said), lost + gone, damaged + broken
        yield f"| {name} | {kills} | {acknowledged:,} | {lost} | {damaged} |"


def _moment(name: str, seed: int) -> float:
    """How many seconds after its first word a process is killed: the same in every run."""
    return LONGEST_S * (zlib.crc32(f"{name} {seed}".encode()) % 1000) / 1000


def _killed(script: str, folder: Path, seconds: float) -> list[str]:
    """What a process acknowledged until it was killed, so many seconds after its first word."""
    words = folder / "said"
    with words.open("w") as out:
        child = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=out)  # noqa: S603 - our own script
    patience = time.monotonic() + _PATIENCE_S
    while not words.stat().st_size and time.monotonic() < patience:
        time.sleep(_ASK_EVERY_S)
    time.sleep(seconds)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    whole, _, _ = words.read_text().rpartition("\n")
    return whole.splitlines()[1:]


def _look_at_rows(folder: Path, said: list[str]) -> tuple[int, int]:
    place = Workspace.at(folder)
    lost = sum(place.models.find(key) is None or not place.evaluations.of_model(key) for key in said)
    old = int(not (folder / "old").exists() or place.models.find("old") is not None)
    broken = len(check(place).problems) + (place.warning is not None) + (1 - old)
    place.close()
    return lost, broken


def _look_at_file(folder: Path, said: list[str]) -> tuple[int, int]:
    path = folder / "model.bin"
    content = path.read_bytes() if path.exists() else b""
    whole = content == content[:9] * 100000
    return int(bool(said) and (not content or int(content[:9]) < int(said[-1]))), int(
        bool(content) and not whole
    )


def _empty(_folder: Path) -> None:
    """Nothing is there before."""


def _of_the_first_schema(folder: Path) -> None:
    """A workspace as the first release left it, with a model in it."""
    connection = sqlite3.connect(folder / database.NAME)
    for statement in MIGRATIONS[0]:
        connection.execute(statement)
    connection.execute("INSERT INTO models VALUES ('old', NULL, 'null', 'digest', 'lenet', 1.0)")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    (folder / "old").touch()


_KINDS: Mapping[str, tuple[Callable[[Path], None], str, Callable[[Path, list[str]], tuple[int, int]]]] = {
    "saves models, numbers and results above the cap": (_empty, _SAVE, _look_at_rows),
    "brings an old workspace up to date": (_of_the_first_schema, _SAVE, _look_at_rows),
    "writes a file in place of another": (_empty, _EXPORT, _look_at_file),
}
