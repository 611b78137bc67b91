"""The workspace: what it keeps, how it makes room, and what it does with what is damaged, old or newer."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace import database as database_module
from compress_core.foundation.workspace.folder import named_folder
from compress_core.foundation.workspace.schema import MIGRATIONS
from compress_core.foundation.workspace.workspace import Workspace, open_workspace

ROOT = Path(__file__).resolve().parent.parent
ME, OTHER = "me", "other"


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["folder", "memory"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    made = Workspace.at(tmp_path / "work") if request.param == "folder" else Workspace.in_memory()
    yield made
    made.close()


def again(folder: Path) -> Workspace:
    """The same folder, opened by somebody who comes later."""
    return Workspace.at(folder)


# --- what it keeps -----------------------------------------------------------------------------------


def test_a_result_is_found_by_its_key_and_the_newer_one_counts(workspace: Workspace) -> None:
    assert workspace.results.find("key") is None
    for content in (b"old", b"new"):
        assert workspace.results.keep("key", "kind", content)
        assert workspace.results.find("key") == content
    assert workspace.results.has("key")
    workspace.results.forget("key")
    assert not workspace.results.has("key")


def test_equal_contents_lie_there_once(workspace: Workspace) -> None:
    first = workspace.files.put(b"content")
    assert workspace.files.put(b"content") == first
    assert workspace.files.bytes_held == len(b"content")
    assert workspace.files.content(first) == b"content"


def test_looks_count_models_once_for_each_visitor_and_list_of_items(workspace: Workspace) -> None:
    looks = workspace.looks
    assert looks.count(ME, "subject", "test") == 0
    assert [looks.note(ME, "subject", "test", model) for model in ("a", "b", "a", "b", "c")] == [
        1,
        2,
        2,
        2,
        3,
    ]
    assert looks.note(OTHER, "subject", "test", "a") == 1
    assert looks.note(ME, "subject", "other items", "a") == 1
    assert looks.note(ME, "other", "test", "a") == 1
    assert looks.count(ME, "subject", "test") == 3


def test_a_lineage_runs_from_what_was_loaded_to_the_model(workspace: Workspace) -> None:
    models = workspace.models
    models.add("root", None, {"operation": "load"}, "digest", "lenet")
    models.add("a", "root", {"operation": "compress", "recipe": [1, "é"]}, "digest", "lenet")
    models.add("b", "a", {"operation": "train"}, "digest", "lenet", {"weights": b"trained"})
    models.add("c", "root", {"operation": "compress"}, "digest", "lenet")
    models.add("a", None, "something else", "other", "other")
    assert [m.key for m in models.lineage("b")] == ["root", "a", "b"]
    assert {m.key for m in models.children("root")} == {"a", "c"}
    found = models.find("a")
    assert found is not None
    assert (found.parent, found.operation) == ("root", {"operation": "compress", "recipe": [1, "é"]})
    assert workspace.files.content(models.files_of("b")["weights"]) == b"trained"
    assert len(models.of_subject("digest")) == 4
    assert models.find("nobody") is None
    assert models.lineage("nobody") == ()


def test_a_model_without_its_parent_is_refused(workspace: Workspace) -> None:
    with pytest.raises(Refused, match="keep its parent first"):
        workspace.models.add("child", "nobody", {}, "digest", "lenet")
    assert workspace.models.find("child") is None


def test_an_evaluation_is_found_for_its_model_and_items(workspace: Workspace) -> None:
    kept = workspace.evaluations
    kept.keep("model", "validation", "items", 114, {"accuracy": {"value": 0.5}})
    kept.keep("model", "test", "others", 20, {})
    found = kept.find("model", "items")
    assert found is not None
    assert (found.split, found.n, found.numbers) == ("validation", 114, {"accuracy": {"value": 0.5}})
    assert kept.find("other", "items") is None
    assert {e.split for e in kept.of_model("model")} == {"validation", "test"}


def test_an_evaluation_of_another_release_is_not_found(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.evaluations.keep("model", "validation", "items", 114, {})
    monkeypatch.setattr("compress_core.foundation.workspace.evaluations.release", lambda: "a later one")
    assert workspace.evaluations.find("model", "items") is None


def test_trials_are_a_log_for_each_visitor_and_model(workspace: Workspace) -> None:
    first = workspace.trials.log(ME, "lenet", "m1", [["fc1", []]], {"accuracy": 0.9})
    workspace.trials.log(OTHER, "lenet", "m1", [], {})
    workspace.trials.log(ME, "resnet", "m3", [], {})
    second = workspace.trials.log(ME, "lenet", "m2", [], {})
    found = workspace.trials.of(ME, "lenet")
    assert [t.number for t in found] == [first, second]
    assert (found[0].model, found[0].recipe, found[0].numbers) == ("m1", [["fc1", []]], {"accuracy": 0.9})


def test_tags_and_notes_belong_to_who_made_them(workspace: Workspace) -> None:
    workspace.models.add("model", None, {}, "digest", "lenet")
    remarks = workspace.remarks
    for tag in ("small", "best", "small"):
        remarks.tag(ME, "model", tag)
    assert remarks.tags(ME, "model") == ("best", "small")
    assert remarks.tags(OTHER, "model") == ()
    assert remarks.tagged(ME, "best") == ("model",)
    remarks.untag(ME, "model", "best")
    assert remarks.tags(ME, "model") == ("small",)
    number = remarks.note(ME, "model", "loses the sevens")
    remarks.drop_note(OTHER, number)
    assert [n.text for n in remarks.notes(ME, "model")] == ["loses the sevens"]
    assert remarks.notes(OTHER, "model") == ()
    remarks.drop_note(ME, number)
    assert remarks.notes(ME, "model") == ()


def test_nothing_is_said_of_a_model_that_was_not_kept(workspace: Workspace) -> None:
    with pytest.raises(Refused, match="keep the model"):
        workspace.remarks.tag(ME, "nobody", "tag")
    with pytest.raises(Refused, match="keep the model"):
        workspace.remarks.note(ME, "nobody", "text")


def test_sessions_come_the_newest_first_and_one_for_each_model() -> None:
    clock = Clock()
    sessions = Workspace.in_memory(clock=clock).sessions
    for subject in ("lenet", "resnet", "lenet"):
        clock.now += 1
        sessions.save(ME, subject, {"at": clock.now})
    sessions.save(OTHER, "lenet", {})
    assert [(s.subject, s.content) for s in sessions.of(ME)] == [
        ("lenet", {"at": clock.now}),
        ("resnet", {"at": clock.now - 1}),
    ]
    sessions.drop(ME, "lenet")
    assert [s.subject for s in sessions.of(ME)] == ["resnet"]


def test_an_upload_comes_back_whole_or_not_at_all(workspace: Workspace) -> None:
    files = {"card.json": b"{}", "state.safetensors": b"weights"}
    workspace.uploads.save(ME, "mine", {"old": b"files"})
    workspace.uploads.save(ME, "mine", files)
    (found,) = workspace.uploads.of(ME)
    assert set(found.files) == set(files)
    assert workspace.uploads.contents(ME, "mine") == files
    assert workspace.uploads.contents(OTHER, "mine") is None
    workspace.files.cabinet.remove(found.files["card.json"])
    assert workspace.uploads.contents(ME, "mine") is None
    workspace.uploads.drop(ME, "mine")
    assert workspace.uploads.of(ME) == ()


def test_everything_is_there_for_who_opens_the_folder_later(tmp_path: Path) -> None:
    first = Workspace.at(tmp_path)
    first.results.keep("key", "kind", b"content")
    first.models.add("model", None, {}, "digest", "lenet")
    first.sessions.save(ME, "lenet", {"undo": []})
    first.uploads.save(ME, "mine", {"file": b"weights"})
    second = again(tmp_path)
    assert second.results.find("key") == b"content"
    assert second.models.find("model") == first.models.find("model")
    assert second.sessions.of(ME) == first.sessions.of(ME)
    assert second.uploads.contents(ME, "mine") == {"file": b"weights"}
    assert second.warning is None


def test_a_write_that_fails_changes_nothing(workspace: Workspace) -> None:
    def interrupted() -> None:
        with workspace.database.writing() as connection:
            connection.execute("INSERT INTO uploads VALUES ('me', 'half', 0)")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert workspace.uploads.of(ME) == ()
    workspace.sessions.save(ME, "lenet", {})


# --- room --------------------------------------------------------------------------------------------


def _kept(workspace: Workspace, *keys: str) -> list[str]:
    return [key for key in keys if workspace.results.has(key)]


@pytest.mark.parametrize("in_memory", [True, False])
def test_the_least_used_result_goes_first_above_the_cap(tmp_path: Path, *, in_memory: bool) -> None:
    clock = Clock()
    made = (
        Workspace.in_memory(max_bytes=100, clock=clock)
        if in_memory
        else Workspace.at(tmp_path, max_bytes=100, clock=clock)
    )
    for key in "abcd":
        clock.now += 1000
        made.results.keep(key, "kind", key.encode() * 25)
    clock.now += 1000
    made.results.find("a")
    made.results.keep("e", "kind", b"e" * 25)
    assert _kept(made, *"abcde") == ["a", "c", "d", "e"]
    assert made.files.bytes_held == 100
    if not in_memory:
        assert sum(f.stat().st_size for f in (tmp_path / "files").glob("??/*")) == 100


def test_what_a_model_or_a_visitor_needs_goes_after_all_that_nobody_owns() -> None:
    clock = Clock()
    made = Workspace.in_memory(max_bytes=100, clock=clock)
    made.uploads.save(ME, "mine", {"weights": b"u" * 25})
    made.models.add("m", None, {}, "digest", "lenet", {"weights": b"m" * 25})
    for key in "abcd":
        clock.now += 1000
        made.results.keep(key, "kind", key.encode() * 25)
    assert _kept(made, *"abcd") == ["c", "d"]
    assert made.uploads.contents(ME, "mine") is not None
    assert made.files.content(made.models.files_of("m")["weights"]) is not None


def test_a_result_that_would_push_out_the_others_is_not_kept(workspace: Workspace) -> None:
    small = Workspace.in_memory(max_bytes=100)
    small.results.keep("small", "kind", b"s" * 25)
    assert not small.results.keep("large", "kind", b"l" * 26)
    assert _kept(small, "small", "large") == ["small"]


def test_files_that_a_crash_left_are_swept_once_they_are_old(tmp_path: Path) -> None:
    clock = Clock()
    first = Workspace.at(tmp_path, clock=clock)
    known = first.files.put(b"known")
    lost = first.files.cabinet.put(b"nobody knows of this")
    half = tmp_path / "files" / known[:2] / ".abc.part"
    half.write_bytes(b"half")
    for file in (first.files.path(known), first.files.path(lost), half):
        assert file is not None
        os.utime(file, (clock.now, clock.now))
    clock.now += 3000
    Workspace.at(tmp_path, clock=clock)
    assert first.files.path(lost) is not None
    clock.now += 1000
    Workspace.at(tmp_path, clock=clock)
    assert first.files.path(lost) is None
    assert not half.exists()
    assert first.files.content(known) == b"known"


# --- what is damaged, old or newer -------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"cont", b"Content of the same length..."])
def test_a_damaged_file_is_removed_and_may_be_made_anew(tmp_path: Path, damage: bytes) -> None:
    made = Workspace.at(tmp_path)
    content = b"content of the same length..."
    made.results.keep("key", "kind", content)
    path = made.files.path(made.files.put(content))
    assert path is not None
    path.write_bytes(damage)
    assert made.results.find("key") is None
    assert not path.exists()
    assert not made.results.has("key")
    made.results.keep("key", "kind", content)
    assert made.results.find("key") == content


def test_what_is_kept_while_another_reads_is_not_taken_for_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = Workspace.at(tmp_path), Workspace.at(tmp_path)
    digest = made.files.put(b"content")
    made.files.cabinet.remove(digest)
    looks = made.database.rows

    def looks_after_it_was_kept(question: str, *values: object) -> list[tuple[object, ...]]:
        other.files.put(b"content")
        return looks(question, *values)

    monkeypatch.setattr(made.database, "rows", looks_after_it_was_kept)
    assert made.files.content(digest) == b"content"
    assert other.files.content(digest) == b"content"
    assert other.files.bytes_held == len(b"content")


def _damaged(folder: Path, how: str) -> None:
    path = folder / database_module.NAME
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    content = bytearray(path.read_bytes())
    match how:
        case "no database":
            content = bytearray(b"hello " * 1000)
        case "torn":
            content = content[: len(content) // 2]
        case "overwritten":
            content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["no database", "torn", "overwritten"])
def test_a_damaged_database_is_set_aside_with_a_sentence(tmp_path: Path, how: str) -> None:
    first = Workspace.at(tmp_path)
    for number in range(200):
        first.sessions.save(ME, f"model {number}", {"n": number})
    first.close()
    _damaged(tmp_path, how)
    second = again(tmp_path)
    assert second.warning is not None
    assert "was damaged" in str(second.warning)
    assert second.warning.values["name"] in [file.name for file in tmp_path.iterdir()]
    second.sessions.save(ME, "lenet", {})
    assert (tmp_path / second.warning.values["name"] / database_module.NAME).is_file()
    assert again(tmp_path).warning is None
    assert [s.subject for s in again(tmp_path).sessions.of(ME)] == ["lenet"]


def test_a_workspace_of_a_newer_release_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    Workspace.at(tmp_path).close()
    with sqlite3.connect(tmp_path / database_module.NAME) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(Refused, match=r"newer release \(schema 99"):
        Workspace.at(tmp_path)
    opened = open_workspace({"SLIMSCOPE_WORKSPACE": str(tmp_path)})
    assert opened.folder is None
    assert "newer release" in str(opened.warning)


def test_a_workspace_of_an_older_release_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Workspace.at(tmp_path)
    first.sessions.save(ME, "lenet", {"undo": [1]})
    first.close()
    newer = ("ALTER TABLE sessions ADD COLUMN color TEXT NOT NULL DEFAULT 'blue'",)
    monkeypatch.setattr(database_module, "MIGRATIONS", (*MIGRATIONS, newer))
    second = again(tmp_path)
    assert second.database.rows("PRAGMA user_version") == [(len(MIGRATIONS) + 1,)]
    assert second.database.rows("SELECT color FROM sessions") == [("blue",)]
    assert [s.content for s in second.sessions.of(ME)] == [{"undo": [1]}]


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Workspace.at(tmp_path).close()
    bad = ("CREATE TABLE half (x TEXT)", "CREATE TABLE sessions (x TEXT)")
    with monkeypatch.context() as patched:
        patched.setattr(database_module, "MIGRATIONS", (*MIGRATIONS, bad))
        with pytest.raises(Refused, match="cannot be written"):
            Workspace.at(tmp_path)
    found = again(tmp_path).database
    assert found.rows("PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert not found.rows("SELECT name FROM sqlite_master WHERE name = 'half'")


# --- the folder --------------------------------------------------------------------------------------


def test_one_variable_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert named_folder({"SLIMSCOPE_WORKSPACE": str(tmp_path / "here")}) == tmp_path / "here"
    assert named_folder({"SLIMSCOPE_WORKSPACE": "~/here"}) == tmp_path / "here"
    assert named_folder({"SLIMSCOPE_WORKSPACE": ""}) is None
    assert named_folder({}) == tmp_path / ".local" / "share" / "slimscope"
    assert named_folder({"XDG_DATA_HOME": str(tmp_path / "x")}) == tmp_path / "x" / "slimscope"
    assert named_folder({"XDG_DATA_HOME": "relative"}) == tmp_path / ".local" / "share" / "slimscope"


def test_an_empty_variable_leaves_nothing_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    opened = open_workspace({"SLIMSCOPE_WORKSPACE": ""})
    opened.results.keep("key", "kind", b"content")
    opened.uploads.save(ME, "mine", {"file": b"weights"})
    assert opened.results.find("key") == b"content"
    assert opened.files.path(opened.uploads.of(ME)[0].files["file"]) is None
    assert opened.warning is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_sentence_and_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    opened = open_workspace({"SLIMSCOPE_WORKSPACE": str(tmp_path / "file" / "below")})
    assert opened.folder is None
    assert "nothing outlives this run" in str(opened.warning)
    opened.sessions.save(ME, "lenet", {})
    assert opened.sessions.of(ME)


def test_a_user_without_a_home_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert "home directory" in str(open_workspace({}).warning)


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    made = Workspace.at(tmp_path)
    (pages,) = made.database.rows("PRAGMA page_count")[0]
    with made.database.writing() as connection:
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Refused, match="disk is full"):
        made.sessions.save(ME, "lenet", {"much": "x" * 100_000})
    assert made.sessions.of(ME) == ()


def test_a_file_that_the_disk_does_not_take_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Workspace.at(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for save in (
        lambda: made.files.put(b"content"),
        lambda: made.results.keep("key", "kind", b"content"),
        lambda: made.uploads.save(ME, "mine", {"file": b"content"}),
        lambda: made.models.add("model", None, {}, "digest", "lenet", {"file": b"content"}),
    ):
        with pytest.raises(Refused, match="No space left"):
            save()
    assert (made.uploads.of(ME), made.models.find("model")) == ((), None)


def test_a_workspace_needs_no_torch(tmp_path: Path) -> None:
    asked = (
        "import sys; from pathlib import Path;"
        "from compress_core.foundation.workspace.workspace import Workspace;"
        "w = Workspace.at(Path(sys.argv[1])); w.evaluations.keep('m', 's', 'i', 1, {});"
        "print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", asked, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert finished.stdout.strip() == "False False"


def test_who_reads_does_not_wait_for_who_writes(tmp_path: Path) -> None:
    made = Workspace.at(tmp_path)
    made.sessions.save("me", "model", {"at": "1"})
    read: list[object] = []
    with made.database.writing() as connection:
        connection.execute("DELETE FROM sessions")
        reader = threading.Thread(target=lambda: read.extend(made.sessions.of("me")), daemon=True)
        reader.start()
        reader.join(60)
        assert len(read) == 1
    assert made.sessions.of("me") == ()
