"""Machine code that was kept is a help and never a hindrance."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LOOPS = """
from compress_core.foundation.machine_code import compiled
from other import FACTOR

@compiled
def times(count: int) -> int:
    total = 0
    for step in range(count):
        total += FACTOR * step
    return total
"""
ASK = "from loops import times; print(times(5), len(times.stats.cache_hits))"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A package of one compiled function, which takes a constant from a file beside it."""
    (tmp_path / "loops.py").write_text(LOOPS, encoding="utf-8")
    (tmp_path / "other.py").write_text("FACTOR = 2\n", encoding="utf-8")
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


def asked(folder: Path) -> tuple[int, int]:
    """What a new process answers, and how many functions it found compiled."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(Path.cwd())])}
    environment["NUMBA_CACHE_DIR"] = str(folder / "kept")
    ended = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    answer, found = ended.stdout.split()
    return int(answer), int(found)


def kept(folder: Path, kind: str) -> list[Path]:
    return sorted((folder / "kept").rglob(f"*.{kind}"))


def test_what_was_compiled_is_found_by_the_next_process(folder: Path) -> None:
    assert [asked(folder), asked(folder)] == [(20, 0), (20, 1)]


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80", b"nothing that was ever kept"])
def test_a_damaged_file_is_compiled_anew_and_mended(folder: Path, kind: str, content: bytes) -> None:
    asked(folder)
    (file,) = kept(folder, kind)
    file.write_bytes(content)
    assert [asked(folder), asked(folder)] == [(20, 0), (20, 1)]


def test_a_constant_that_changes_in_another_file_is_heard_of(folder: Path) -> None:
    asked(folder)
    (folder / "other.py").write_text("FACTOR = 3\n", encoding="utf-8")
    assert asked(folder) == (30, 0)


def test_a_place_that_takes_nothing_is_no_error(folder: Path) -> None:
    (folder / "kept").write_text("a file where the folder would be", encoding="utf-8")
    assert asked(folder) == (20, 0)


def test_a_disk_that_is_full_when_code_is_kept_is_no_error(folder: Path) -> None:
    loops = (folder / "loops.py").read_text(encoding="utf-8")
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\nimport signal\n"
    full += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    (folder / "loops.py").write_text(full + loops, encoding="utf-8")
    assert [asked(folder), asked(folder)] == [(20, 0), (20, 0)]
