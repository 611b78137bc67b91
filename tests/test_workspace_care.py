"""Caring for a workspace: room, forgetting, checking, pruning, moving, and files of every older schema."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace import database as database_module
from compress_core.foundation.workspace import moving
from compress_core.foundation.workspace.checking import check, let_go_of_damaged
from compress_core.foundation.workspace.forgetting import forget_model
from compress_core.foundation.workspace.moving import move
from compress_core.foundation.workspace.pruning import prune, to_prune
from compress_core.foundation.workspace.schema import MIGRATIONS
from compress_core.foundation.workspace.workspace import Workspace, open_workspace

ME, OTHER = "me", "other"


def family(place: Workspace) -> Workspace:
    """A root, two children of it, a grandchild with trained weights; numbers, remarks and a line of a log."""
    for key, parent, maker in (("root", None, ME), ("a", "root", ME), ("b", "root", OTHER), ("a1", "a", ME)):
        files = {"trained": b"weights of a1"} if key == "a1" else {}
        operation = {"operation": "train" if files else "compress", "recipe": []}
        place.models.add(key, parent, operation, "digest", "lenet", files, maker)
        place.evaluations.keep(key, "validation", "items", 10, {})
    place.remarks.tag(ME, "a1", "best")
    place.remarks.note(ME, "a", "a note")
    place.trials.log(ME, "log", "a1", [], {})
    return place


def known(place: Workspace) -> list[str]:
    return sorted(model.key for model in place.models.all())


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return family(Workspace.at(tmp_path / "work"))


# --- room --------------------------------------------------------------------------------------------


def test_weights_that_a_model_needs_never_go_and_what_has_no_room_is_refused(tmp_path: Path) -> None:
    made = Workspace.at(tmp_path, max_bytes=100)
    made.uploads.save(ME, "mine", {"file": b"u" * 40})
    made.models.add("m", None, {}, "digest", "lenet", {"trained": b"m" * 60})
    made.results.keep("cached", "kind", b"c" * 20)
    assert made.uploads.contents(ME, "mine") is None, "an upload can be uploaded again"
    made.models.add("n", None, {}, "digest", "lenet", {"trained": b"n" * 40})
    assert not made.results.has("cached")
    with pytest.raises(Refused, match="delete models that are not needed"):
        made.uploads.save(ME, "mine", {"file": b"v"})
    assert [made.files.content(d) for k in "mn" for d in made.models.files_of(k).values()] == [
        b"m" * 60,
        b"n" * 40,
    ]
    assert check(made).problems == ()


def test_rows_go_before_their_files_so_that_no_row_is_left_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Workspace.at(tmp_path, max_bytes=100)
    for key in "abcd":
        made.results.keep(key, "kind", key.encode() * 25)

    def killed(digest: str) -> None:
        raise KeyboardInterrupt(digest)

    with monkeypatch.context() as patched:
        patched.setattr(made.files.cabinet, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            made.results.keep("e", "kind", b"e" * 25)
    again = Workspace.at(tmp_path, max_bytes=100)
    assert check(again).problems == ()
    assert again.results.find("b") == b"b" * 25


def test_what_was_kept_anew_while_its_file_was_to_go_stays(tmp_path: Path) -> None:
    made = Workspace.at(tmp_path)
    digest = made.files.put(b"content")
    made.files.let_go([digest])
    assert made.files.content(digest) == b"content"


# --- forgetting --------------------------------------------------------------------------------------


def test_the_owner_lets_a_model_go_with_all_that_was_made_of_it(place: Workspace) -> None:
    assert [model.key for model in place.models.below("a")] == ["a", "a1"]
    assert set(forget_model(place, "a", None)) == {"a", "a1"}
    assert known(place) == ["b", "root"]
    assert place.evaluations.of_model("a1") == ()
    assert (place.remarks.tags(ME, "a1"), place.remarks.notes(ME, "a")) == ((), ())
    assert place.trials.of(ME, "log") == ()
    assert place.models.files_of("a1") == {}
    assert check(place).problems == ()


def test_a_visitor_lets_go_of_what_is_theirs_alone(place: Workspace) -> None:
    with pytest.raises(Refused, match="only who made it"):
        forget_model(place, "b", ME)
    place.models.add("a1", "a", {}, "digest", "lenet", {}, OTHER)
    assert forget_model(place, "a", ME) == ()
    assert known(place) == ["a", "a1", "b", "root"]
    assert place.models.made_by(ME, ["a", "a1"]) == frozenset()
    assert place.remarks.tags(ME, "a1") == ()
    assert set(forget_model(place, "a1", OTHER)) == {"a1"}


def test_what_a_command_made_is_not_a_visitors_to_delete(place: Workspace) -> None:
    place.models.add("c", "root", {}, "digest", "lenet")
    with pytest.raises(Refused, match="only who made it"):
        forget_model(place, "c", ME)


@pytest.mark.parametrize("at", ["a", "a1"])
def test_a_model_at_which_a_page_of_the_visitor_stands_is_not_let_go(place: Workspace, at: str) -> None:
    place.sessions.save(ME, "lenet", {"at": at}, "tab")
    with pytest.raises(Refused, match="go to another model"):
        forget_model(place, "a", ME)
    assert known(place) == ["a", "a1", "b", "root"]
    place.sessions.save(ME, "lenet", {"at": "root"}, "tab")
    assert set(forget_model(place, "a", ME)) == {"a", "a1"}


# --- checking ----------------------------------------------------------------------------------------


def test_a_whole_workspace_has_no_problem(place: Workspace) -> None:
    found = check(place)
    assert (found.files, found.problems) == (1, ())
    assert found.rows > 10


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("UPDATE models SET operation = '{' WHERE key = 'b'", "row b of models"),
        ("UPDATE evaluations SET numbers = 'x' WHERE model = 'a'", "row a of evaluations"),
        ("DELETE FROM pins", "weights of the trained model a1"),
        ("DELETE FROM models WHERE key = 'root'", "speaks of something that is not there"),
    ],
)
def test_a_row_that_is_damaged_is_named(place: Workspace, order: str, said: str) -> None:
    with place.database.writing() as connection:
        pass
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(order)
    assert said in " ".join(map(str, check(place).problems))


@pytest.mark.parametrize("damage", [None, b"", b"Weights of a1", b"weights of a1 and more"])
def test_a_file_that_is_not_what_its_name_says_is_named_and_can_be_let_go(
    place: Workspace, damage: bytes | None
) -> None:
    kept = place.results.keep("cached", "kind", b"cached result")
    assert kept
    path = place.files.path(place.files.put(b"cached result"))
    assert path is not None
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    (problem,) = check(place).problems
    assert path.name[:12] in str(problem)
    let_go_of_damaged(place)
    assert check(place).problems == ()


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_looked_at(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = place.models.files_of("a1")["trained"]
    place.results.keep("cached", "kind", b"cached result")
    opened = Path.open

    def unreadable(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.name == digest:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", unreadable)
    found = check(place)
    assert found.files == 2
    assert [str(problem) for problem in found.problems] == [
        f"The file {digest[:12]} cannot be read (Permission denied)."
    ]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.EIO])
def test_a_file_that_cannot_be_read_now_is_not_let_go(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A server that has too many files open would else lose the weights that somebody trained."""
    digest = place.models.files_of("a1")["trained"]

    def unreadable(path: Path) -> bytes:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", unreadable)
        assert place.files.content(digest) is None
        let_go_of_damaged(place)
    assert place.files.content(digest) is not None
    assert check(place).problems == ()


# --- pruning -----------------------------------------------------------------------------------------


def test_what_nobody_refers_to_is_said_first_and_goes_then(place: Workspace) -> None:
    kept = place.models.files_of("a1")["trained"]
    forget_model(place, "a", None)
    place.evaluations.keep("nobody", "validation", "items", 3, {})
    place.results.keep("cached", "kind", b"cached result")
    leaving = to_prune(place)
    assert [digest for digest, _ in leaving.files] == [kept]
    assert (leaving.bytes, leaving.evaluations) == (len(b"weights of a1"), 1)
    assert place.files.content(kept) is not None, "nothing goes before it is said"
    prune(place, leaving)
    assert place.files.path(kept) is None
    assert not to_prune(place)
    assert place.results.find("cached") == b"cached result"
    assert [e.split for e in place.evaluations.of_model("root")] == ["validation"]


def test_results_that_nobody_looked_at_for_long_go_when_that_is_asked_for(tmp_path: Path) -> None:
    now = [1_000_000.0]
    place = family(Workspace.at(tmp_path, clock=lambda: now[0]))
    place.results.keep("old", "kind", b"old result")
    now[0] += 10 * 24 * 3600.0
    place.results.keep("new", "kind", b"new result")
    assert not to_prune(place)
    prune(place, to_prune(place, unused_days=5))
    assert (place.results.has("old"), place.results.has("new")) == (False, True)
    assert place.files.content(place.models.files_of("a1")["trained"]) is not None


def test_what_is_needed_again_since_it_was_said_stays(place: Workspace) -> None:
    digest = place.files.put(b"lonely")
    leaving = to_prune(place)
    place.models.add("c", "root", {}, "digest", "lenet", {"trained": b"lonely"})
    prune(place, leaving)
    assert place.files.content(digest) == b"lonely"


def test_files_of_a_crash_are_pruned(tmp_path: Path) -> None:
    place = Workspace.at(tmp_path)
    lost = place.files.cabinet.put(b"nobody knows of this")
    path = place.files.path(lost)
    assert path is not None
    os.utime(path, (0, 0))
    assert to_prune(place).strays == (lost,)
    prune(place, to_prune(place))
    assert not path.exists()


def test_files_that_the_disk_does_not_let_go_are_told(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = place.files.put(b"lonely")
    with monkeypatch.context() as patched:
        patched.setattr(place.files.cabinet, "remove", lambda _digest: None)
        with pytest.raises(Refused, match=r"1 files of .* could not be removed.*make their folders writable"):
            prune(place, to_prune(place))
    assert place.files.cabinet.has(digest)
    assert check(place).problems == ()


def test_a_folder_of_files_that_cannot_be_read_is_a_sentence(
    place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work" / "files" / "00").mkdir()

    def unreadable(_folder: Path) -> Iterator[Path]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "iterdir", unreadable)
    with pytest.raises(Refused, match="Permission denied"):
        to_prune(place)
    opened = open_workspace({"SLIMSCOPE_WORKSPACE": str(tmp_path / "work")})
    assert opened.folder is None
    assert "Permission denied" in str(opened.warning)


# --- moving ------------------------------------------------------------------------------------------


def test_a_moved_workspace_has_everything_and_leaves_nothing_behind(tmp_path: Path, place: Workspace) -> None:
    place.close()
    move(tmp_path / "work", tmp_path / "far" / "away")
    found = Workspace.at(tmp_path / "far" / "away")
    assert known(found) == ["a", "a1", "b", "root"]
    assert check(found).problems == ()
    assert [file.name for file in tmp_path.iterdir()] == ["far"]


def test_a_workspace_that_is_open_elsewhere_is_not_moved(tmp_path: Path, place: Workspace) -> None:
    with pytest.raises(Refused, match="Somebody works"):
        move(tmp_path / "work", tmp_path / "away")
    assert known(place) == ["a", "a1", "b", "root"]
    assert not (tmp_path / "away").exists()
    place.remarks.tag(ME, "a", "still there")


@pytest.mark.parametrize("where", ["", "work/below", "full"])
def test_a_place_that_is_taken_is_refused(tmp_path: Path, place: Workspace, where: str) -> None:
    place.close()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("somebody's")
    with pytest.raises(Refused, match=r"folder"):
        move(tmp_path / "work", tmp_path / (where or "work"))
    assert known(Workspace.at(tmp_path / "work")) == ["a", "a1", "b", "root"]


def test_what_is_no_workspace_is_not_moved(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no workspace"):
        move(tmp_path / "nothing", tmp_path / "away")


@pytest.mark.parametrize("call", ["copy2", "copytree", "_refuse_damaged"])
def test_a_move_that_ends_halfway_leaves_the_old_workspace_whole(
    tmp_path: Path, place: Workspace, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.close()

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    owner = moving if call.startswith("_") else moving.shutil
    with monkeypatch.context() as patched:
        patched.setattr(owner, call, full)
        with pytest.raises(Refused, match="No space left on device"):
            move(tmp_path / "work", tmp_path / "away")
    assert [file.name for file in tmp_path.iterdir()] == ["work"]
    again = Workspace.at(tmp_path / "work")
    assert known(again) == ["a", "a1", "b", "root"]
    assert check(again).problems == ()


def test_a_move_that_cannot_leave_its_old_place_is_not_done(
    tmp_path: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.close()
    rename = Path.rename

    def held_fast(path: Path, target: Path) -> Path:
        if path.name == "work":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", held_fast)
        with pytest.raises(Refused, match=r"not moved to .*away \(Permission denied\) and stays where it is"):
            move(tmp_path / "work", tmp_path / "away")
    assert [file.name for file in tmp_path.iterdir()] == ["work"]
    assert known(Workspace.at(tmp_path / "work")) == ["a", "a1", "b", "root"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sqlite3.SQLITE_FULL, "is full"),
        (sqlite3.SQLITE_BUSY, "Somebody works with"),
        (0, "could not be read"),
    ],
)
def test_a_move_that_the_database_stops_says_what_stands_in_the_way(
    tmp_path: Path, place: Workspace, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.close()

    def stopped(_source: Path) -> None:
        error = sqlite3.OperationalError("as the database says")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(moving, "_refuse_while_in_use", stopped)
    with pytest.raises(Refused, match=said):
        move(tmp_path / "work", tmp_path / "away")


@pytest.mark.parametrize("call", ["copytree", "rmtree"])
def test_what_a_killed_move_left_goes_with_the_next_one(
    tmp_path: Path, place: Workspace, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.close()

    def killed(path: Path, *_arguments: object, **_named: object) -> None:
        if call == "copytree" or path.name.startswith(".slimscope-left-"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(moving.shutil, "rmtree", lambda *_arguments, **_named: None)
        patched.setattr(moving.shutil, call, killed)
        with pytest.raises(KeyboardInterrupt):
            move(tmp_path / "work", tmp_path / "away")
    if not (tmp_path / "work").exists():
        (tmp_path / "away").rename(tmp_path / "work")
    move(tmp_path / "work", tmp_path / "away")
    assert [file.name for file in tmp_path.iterdir()] == ["away"]
    assert check(Workspace.at(tmp_path / "away")).problems == ()


def test_a_damaged_workspace_is_not_moved_and_the_reason_is_told(tmp_path: Path, place: Workspace) -> None:
    path = place.files.path(place.models.files_of("a1")["trained"])
    assert path is not None
    path.write_bytes(b"damaged")
    place.close()
    with pytest.raises(Refused, match=f"{path.name[:12]} is damaged"):
        move(tmp_path / "work", tmp_path / "away")


# --- every older schema ------------------------------------------------------------------------------

_ROWS_OF_OLD = (
    "INSERT INTO files VALUES ('d', 3, 1.0)",
    "INSERT INTO pins VALUES ('model a', 'trained', 'd')",
    "INSERT INTO results VALUES ('key', 'kind', 'd')",
    "INSERT INTO models VALUES ('root', NULL, 'null', 'digest', 'lenet', 1.0)",
    "INSERT INTO models VALUES ('a', 'root', '{}', 'digest', 'lenet', 2.0)",
    "INSERT INTO evaluations VALUES ('a', 'items', 'a release', 'validation', 9, '{}', 3.0)",
    """INSERT INTO trials (visitor, subject, model, recipe, numbers, time)
        VALUES ('me', 's', 'a', '[]', '{}', 4.0)""",
    "INSERT INTO tags VALUES ('me', 'a', 'small')",
    "INSERT INTO notes (visitor, model, text, time) VALUES ('me', 'a', 'a note', 5.0)",
    "INSERT INTO uploads VALUES ('me', 'mine', 6.0)",
)
_SESSIONS = {
    1: "INSERT INTO sessions VALUES ('you', 'lenet', '{\"at\":\"a\"}', 7.0)",
    4: "INSERT INTO sessions VALUES ('you', 'lenet', '', '{\"at\":\"a\"}', 7.0)",
}


def old_workspace(folder: Path, version: int) -> None:
    """A file as the release of that schema left it."""
    folder.mkdir()
    connection = sqlite3.connect(folder / database_module.NAME)
    for migration in MIGRATIONS[:version]:
        for statement in migration:
            connection.execute(statement)
    for row in (*_ROWS_OF_OLD, _SESSIONS[1 if version < 4 else 4]):
        connection.execute(row)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_a_workspace_of_every_older_schema_opens_and_keeps_its_rows(tmp_path: Path, version: int) -> None:
    old_workspace(tmp_path / "work", version)
    found = Workspace.at(tmp_path / "work")
    assert found.warning is None
    assert [model.key for model in found.models.lineage("a")] == ["root", "a"]
    assert [e.n for e in found.evaluations.of_subject("digest")] == [9]
    assert [(t.model, t.recipe) for t in found.trials.of(ME, "s")] == [("a", [])]
    assert (found.remarks.tags(ME, "a"), found.remarks.newest_notes(ME)) == (("small",), {"a": "a note"})
    assert [s.content for s in found.sessions.of("you")] == [{"at": "a"}]
    assert [u.name for u in found.uploads.of(ME)] == ["mine"]
    assert (found.models.files_of("a"), found.files.bytes_held) == ({"trained": "d"}, 3)
    if version < 5:
        assert [found.models.made_by(who, ["a"]) for who in (ME, "you", OTHER)] == [{"a"}, {"a"}, set()]
