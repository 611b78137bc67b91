"""A full disk, a folder that can only be read, a database that is held or damaged: one sentence each."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import compress_core
from compress_core.cli import app, printing, training
from compress_core.deliver.trained_folder import CHECKPOINT, WEIGHTS
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress, result_of
from compress_core.foundation.store import Store
from compress_core.foundation.workspace import database as database_module
from compress_core.foundation.workspace.checking import check
from compress_core.foundation.workspace.disk_trouble import not_kept, not_opened
from compress_core.foundation.workspace.lock import Lock
from compress_core.foundation.workspace.workspace import Workspace, open_workspace
from compress_core.jobs.server_folder import ServerFolder

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="limits and users of processes are POSIX")
ME, DAY = "visitor", 24 * 3600.0


def open_in(folder: Path) -> Workspace:
    return open_workspace({"SLIMSCOPE_WORKSPACE": str(folder)})


# --- the words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "is full.*: free some space"),
        (errno.EDQUOT, "is full"),
        (errno.EROFS, "can only be read"),
        (errno.EACCES, "can only be read"),
        (errno.EIO, "could not be read or written"),
    ],
)
def test_what_the_system_says_becomes_what_helps(number: int, said: str) -> None:
    reason = os.strerror(number)
    with pytest.raises(Refused, match=said):
        raise not_kept(OSError(number, reason))
    assert reason in str(not_opened(Path("place"), OSError(number, reason)))


# --- another process -------------------------------------------------------------------------------------


def test_a_database_that_another_process_holds_is_a_sentence_and_the_next_write_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_PATIENCE_SECONDS", 0.01)
    made = Workspace.at(tmp_path)
    other = sqlite3.connect(tmp_path / database_module.NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Refused, match="Another process has kept the workspace to itself"):
        made.sessions.save(ME, "lenet", {"n": 1})
    assert made.sessions.of(ME) == (), "who reads does not wait"
    other.execute("ROLLBACK")
    made.sessions.save(ME, "lenet", {"n": 2})
    assert [session.content for session in made.sessions.of(ME)] == [{"n": 2}]
    other.close()


def test_a_workspace_that_somebody_opens_for_long_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_PATIENCE_SECONDS", 0.01)
    held = Lock(tmp_path / database_module.OPENING)
    assert "Another process has kept the workspace" in str(open_in(tmp_path).warning)
    held.release()
    assert open_in(tmp_path).warning is None


# --- what is damaged -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 10, 2000])
def test_weights_that_only_a_damaged_database_knew_stay_in_the_folder_beside_it(
    tmp_path: Path, kept: int
) -> None:
    first = Workspace.at(tmp_path)
    first.models.add("root", None, {}, "digest", "lenet")
    first.models.add("trained", "root", {}, "digest", "lenet", {"weights": b"of many epochs"})
    path = first.files.path(first.models.files_of("trained")["weights"])
    assert path is not None
    os.utime(path, (path.stat().st_mtime - DAY,) * 2)  # old enough to be swept as nobody's
    first.close()
    file = tmp_path / database_module.NAME
    file.write_bytes(file.read_bytes()[:kept] + b"\xff" * 5000)
    second = Workspace.at(tmp_path)
    assert second.warning is not None
    aside = tmp_path / second.warning.values["name"]
    assert (aside / path.relative_to(tmp_path)).read_bytes() == b"of many epochs"
    second.models.add("root", None, {}, "digest", "lenet", {"weights": b"new"})
    assert check(second).problems == ()


def test_a_database_whose_damage_shows_later_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"\xff" * 5000)
    connection = sqlite3.connect(tmp_path / "damaged")
    with pytest.raises(sqlite3.DatabaseError) as raised:
        connection.execute("SELECT * FROM sqlite_master")
    connection.close()
    assert "is damaged (file is not a database): start again" in str(not_kept(raised.value))


# --- a folder that can only be read ------------------------------------------------------------------------

# As a user without rights of its own: root may write everywhere.
READER = """
import os, sys
from pathlib import Path
from compress_core.foundation.atomic_file import write_whole
from compress_core.foundation.workspace.workspace import open_workspace
if os.geteuid() == 0:
    os.setuid(65534)
opened = open_workspace({"SLIMSCOPE_WORKSPACE": sys.argv[1]})
print(opened.folder, opened.warning)
opened.sessions.save("visitor", "goes on", {})
try:
    write_whole(Path(sys.argv[1]) / "model.slim", b"content")
except OSError as error:
    print(error.strerror)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Which every user reaches, as those of pytest are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder / "work"
    shutil.rmtree(folder)


@POSIX
@pytest.mark.slow
def test_a_folder_that_can_only_be_read_is_a_sentence_and_keeps_what_it_has(open_folder: Path) -> None:
    made = Workspace.at(open_folder)
    made.sessions.save(ME, "lenet", {"n": 1})
    made.close()
    open_folder.chmod(0o555)
    command = [sys.executable, "-c", READER, str(open_folder)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    open_folder.chmod(0o755)
    opened, written = ran.stdout.splitlines()
    assert opened.startswith(f"None The workspace {open_folder} cannot be written")
    assert opened.endswith("name another folder in SLIMSCOPE_WORKSPACE.")
    assert written == os.strerror(errno.EACCES)
    assert [session.content for session in Workspace.at(open_folder).sessions.of(ME)] == [{"n": 1}]
    assert not list(open_folder.rglob("*.part"))


# --- a disk that is full, for every command that writes ---------------------------------------------------


@contextmanager
def full_disk() -> Iterator[None]:
    """No file takes another byte, as on a full disk; the system says EFBIG instead of ENOSPC."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_table_that_a_full_disk_does_not_take_is_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "compress_core.cli", "models"]
        ran = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ran.stderr == "A disk is full (No space left on device): free some space, then run this again.\n"
    assert ran.returncode == 2


def test_a_runner_that_finds_no_place_for_its_jobs_is_a_sentence_and_the_next_one_runs(
    tmp_path: Path,
) -> None:
    (tmp_path / "servers").write_text("in the way")
    with pytest.raises(Refused, match="could not be read or written"):
        ServerFolder(tmp_path)
    (tmp_path / "servers").unlink()
    ServerFolder(tmp_path).close()


PRUNED = ("tabular", "--step", "*: magnitude sparsity=0.5")
WRITERS = {
    "pack": ("pack", *PRUNED, "--out", "{out}/model.slim"),
    "export": ("export", *PRUNED, "--out", "{out}"),
    "apply": ("apply", *PRUNED, "--out", "{out}"),
    "train": ("train", *PRUNED, "--epochs", "1", "--out", "{out}"),
}


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("command", WRITERS)
def test_a_command_on_a_full_disk_says_one_sentence_and_leaves_what_was_there(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", "")
    words = [word.format(out=tmp_path / "out") for word in WRITERS[command]]

    def run() -> tuple[int, str]:
        ran = CliRunner().invoke(app, words, prog_name="slimscope")
        return ran.exit_code, ran.stderr

    def files() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (tmp_path / "out").glob("*")}

    with full_disk():
        code, said = run()
    assert code == 2
    assert said.count("\n") == 1
    assert f"cannot be written ({os.strerror(errno.EFBIG)}): choose another" in said
    assert files() == {}
    assert run()[0] == 0
    before = files()
    assert before
    with full_disk():
        assert run()[0] == 2
    assert files() == before
    assert run()[0] == 0
    assert set(files()) == set(before)


# --- what was measured for long is printed, whatever the disk takes ---------------------------------------


def run_command(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), prog_name="slimscope")


@contextmanager
def disk_that_fills_at(epoch: int, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """From the moment on at which an epoch of a training is said."""
    import resource

    before, line = resource.getrlimit(resource.RLIMIT_FSIZE), training._epoch_line

    def and_fill(figures: Any, objective: Any) -> str:
        if figures.epoch == epoch:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        return line(figures, objective)

    patch.setattr(training, "_epoch_line", and_fill)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        patch.setattr(training, "_epoch_line", line)


LEARNED = ("train", *PRUNED, "--epochs", "2")


@POSIX
@pytest.mark.slow
def test_the_numbers_of_a_training_that_no_disk_keeps_are_printed_and_it_is_said_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", "")
    kept = run_command(*LEARNED, "--json")
    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", str(tmp_path / "work"))
    with disk_that_fills_at(2, monkeypatch):
        lost = run_command(*LEARNED, "--json")
    assert (kept.exit_code, lost.exit_code) == (0, 2)
    assert lost.stdout == kept.stdout
    (tmp_path / "way").write_text("in the way")
    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", str(tmp_path / "way"))
    never = run_command(*LEARNED, "--json")
    assert never.exit_code == 2
    assert never.stdout == kept.stdout
    for each in (lost, never):
        said = each.stderr.splitlines()[-1]
        assert said.startswith(
            "The numbers of the trained model are printed, but its weights are kept nowhere"
        )
        assert said.endswith("Or train with --out DIR, a folder on a disk with room.")


@POSIX
@pytest.mark.slow
def test_a_training_goes_into_its_folder_where_the_workspace_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise not_kept(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", str(tmp_path / "work"))
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr("compress_core.foundation.workspace.kept_results.Results.keep", full)
        found = run_command(*LEARNED, "--out", str(out))
    assert found.exit_code == 0, found.output
    assert f"The trained model is in {out} alone: take it with --trained {out}." in found.stderr
    assert run_command("evaluate", "tabular", "--trained", str(out)).exit_code == 0


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_training_whose_folder_fills_says_its_numbers_and_goes_on_to_the_same_end(
    tmp_path: Path, epoch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", "")
    whole, out = tmp_path / "whole", tmp_path / "out"
    kept = run_command(*LEARNED, "--out", str(whole))
    with disk_that_fills_at(epoch, monkeypatch):
        found = run_command(*LEARNED, "--out", str(out))
    assert found.exit_code == 2
    assert found.stdout == (kept.stdout if epoch == 2 else "")
    assert found.stderr.splitlines()[:-1] == kept.stderr.splitlines()
    assert f"{out} cannot be written ({os.strerror(errno.EFBIG)})" in found.stderr
    assert found.stderr.endswith(f"free some space there, then slimscope train --resume {out}.\n")
    assert (out / CHECKPOINT).exists()
    assert run_command("train", "--resume", str(out)).stdout == kept.stdout
    assert (out / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()


MEASURED = {
    "review": ("review", *PRUNED, "--out", "{out}/r.html"),
    "budget": (
        "budget",
        "tabular",
        "--packed-bytes",
        "9000",
        "--families",
        "bits",
        "--write",
        "{out}/r.yaml",
    ),
    "apply": ("apply", *PRUNED, "--out", "{out}"),
}


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("command", MEASURED)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_what_a_command_measured_is_printed_where_its_file_cannot_be_written(
    tmp_path: Path, command: str, form: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", "")
    words = [word.format(out=tmp_path) for word in MEASURED[command]]
    with full_disk():
        lost = run_command(*words, *form)
    assert lost.exit_code == 2
    assert "cannot be written" in lost.stderr
    kept = run_command(*words, *form)
    assert kept.exit_code in {0, 1, 3}, kept.output
    at_its_moment = ('"made":', '"circumstances.made":', '"out":', '"files":', "Written to")
    told = [line for line in lost.stdout.splitlines() if not line.strip().startswith(at_its_moment)]
    assert len(told) >= 10
    assert {line.rstrip(",") for line in told} <= {line.rstrip(",") for line in kept.stdout.splitlines()}


@POSIX
@pytest.mark.slow
def test_a_scan_that_the_workspace_does_not_take_is_printed_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("scan", "tabular", "--points", "2", "--families", "bits", "--json")
    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", "")
    kept = run_command(*words)

    def on_a_full_disk(work: Generator[Progress, None, Any]) -> Any:
        with full_disk():
            return result_of(work)

    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", str(tmp_path / "work"))
    with monkeypatch.context() as patched:
        patched.setattr(printing, "with_progress", on_a_full_disk)
        lost = run_command(*words)
    assert (kept.exit_code, lost.exit_code) == (0, 2)
    assert lost.stdout == kept.stdout
    assert "of these measurements are printed and not kept" in lost.stderr


@pytest.mark.slow
def test_a_model_that_was_trained_in_python_is_given_where_the_workspace_does_not_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise not_kept(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    few_bits = "layers: [{match: '*', steps: [{technique: uniform, bits: 4}]}]"
    small = compress_core.compress(compress_core.load("tabular"), few_bits)
    kept = compress_core.train(small, epochs=1, store=Store())
    monkeypatch.setattr("compress_core.foundation.workspace.model_tree.Models.add", full)
    with pytest.warns(
        UserWarning, match="The trained model ends with this process: The disk of the workspace"
    ):
        lost = compress_core.train(small, epochs=1, store=Store(workspace=Workspace.at(tmp_path)))
    assert lost.model.key == kept.model.key
    assert lost.history == kept.history
    numbers = [compress_core.evaluate(each.model, store=Store()).numbers for each in (lost, kept)]
    assert numbers[0] == numbers[1]
