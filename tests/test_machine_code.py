"""Machine code that was kept is a help and never a hindrance."""

from __future__ import annotations

import importlib
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numba
import pytest

from compress_core.foundation import machine_code

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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of one compiled function, which takes a constant from a file beside it."""
    (tmp_path / "loops.py").write_text(LOOPS, encoding="utf-8")
    (tmp_path / "other.py").write_text("FACTOR = 2\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "kept"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    forget()


def forget() -> None:
    for name in ("loops", "other"):
        sys.modules.pop(name, None)


def asked() -> tuple[int, int]:
    """What the package answers when it is imported anew, and how many functions were found compiled."""
    forget()
    importlib.invalidate_caches()
    machine_code._digest_of.cache_clear()
    times = importlib.import_module("loops").times
    return int(times(5)), len(times.stats.cache_hits)


def kept(folder: Path, kind: str) -> list[Path]:
    return sorted((folder / "kept").rglob(f"*.{kind}"))


def test_what_was_compiled_is_found_by_the_next_process(folder: Path) -> None:
    assert [asked(), asked()] == [(20, 0), (20, 1)]


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80", b"nothing that was ever kept"])
def test_a_damaged_file_is_compiled_anew_and_mended(folder: Path, kind: str, content: bytes) -> None:
    asked()
    (file,) = kept(folder, kind)
    file.write_bytes(content)
    assert [asked(), asked()] == [(20, 0), (20, 1)]


def test_a_constant_that_changes_in_another_file_is_heard_of(folder: Path) -> None:
    asked()
    (folder / "other.py").write_text("FACTOR = 3\n", encoding="utf-8")
    assert asked() == (30, 0)


def test_a_place_that_takes_nothing_is_no_error(folder: Path) -> None:
    (folder / "kept").write_text("a file where the folder would be", encoding="utf-8")
    assert asked() == (20, 0)


def test_a_disk_that_is_full_when_code_is_kept_is_no_error(folder: Path) -> None:
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        found = [asked(), asked()]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert found == [(20, 0), (20, 0)]
    assert not kept(folder, "nbc")
