"""Files that a crash, a full disk or another process leaves whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from compress_core.foundation.atomic_file import UNFINISHED, write_together, write_whole

NOT_WINDOWS = pytest.mark.skipif(sys.platform == "win32", reason="there an open file cannot be removed")
OTHER = """
import sys
from pathlib import Path
from compress_core.foundation.atomic_file import write_whole
write_whole(Path(sys.argv[1]), b"theirs")
"""
CONTENTS = {"model.py": b"code ", "weights": b"weights ", "numbers.json": b"numbers "}


def files_of(folder: Path, word: bytes) -> dict[Path, bytes]:
    return {folder / name: content + word for name, content in CONTENTS.items()}


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@NOT_WINDOWS
def test_what_a_killed_process_had_begun_goes_at_the_next_write(tmp_path: Path) -> None:
    (tmp_path / f".{'a' * 32}{UNFINISHED}").write_bytes(b"half")
    write_whole(tmp_path / "file", b"content")
    assert names_in(tmp_path) == ["file"]


@NOT_WINDOWS
def test_what_a_living_process_writes_is_not_taken_for_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, other = os.fsync, [sys.executable, "-c", OTHER, str(tmp_path / "theirs")]

    def meanwhile(file: int) -> None:
        if other:
            subprocess.run(other, check=True)
            other.clear()
        here(file)

    monkeypatch.setattr(os, "fsync", meanwhile)
    write_whole(tmp_path / "mine", b"mine")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "mine": b"mine",
        "theirs": b"theirs",
    }


@pytest.mark.parametrize("crash", range(1, 4))
def test_a_crash_never_leaves_old_files_beside_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: int
) -> None:
    write_together(files_of(tmp_path, b"old"))
    replace, left = Path.replace, crash

    def crashing(self: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", crashing)
    with pytest.raises(KeyboardInterrupt):
        write_together(files_of(tmp_path, b"new"))
    words = {file.name: file.read_bytes().split()[-1] for file in tmp_path.iterdir()}
    assert len(set(words.values())) == 1
    monkeypatch.undo()
    write_together(files_of(tmp_path, b"new"))
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == files_of(tmp_path, b"new")


def test_a_disk_that_does_not_take_the_last_file_leaves_the_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_together(files_of(tmp_path, b"old"))
    here, left = os.fsync, len(CONTENTS)

    def full(file: int) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise OSError(28, "No space left on device")
        here(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_together(files_of(tmp_path, b"new"))
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == files_of(tmp_path, b"old")


def test_a_name_is_on_the_disk_when_the_call_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    here = os.fsync

    def heard(file: int) -> None:
        synced.append(os.fstat(file).st_ino)
        here(file)

    monkeypatch.setattr(os, "fsync", heard)
    write_whole(tmp_path / "made" / "file", b"content")
    places = (tmp_path, tmp_path / "made" / "file", tmp_path / "made")
    assert synced == [place.stat().st_ino for place in places]
