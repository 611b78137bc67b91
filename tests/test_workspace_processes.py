"""Several processes on one workspace, and one that is killed while it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from compress_core.foundation.workspace.cabinet import sha_of
from compress_core.foundation.workspace.lock import Lock, is_held
from compress_core.foundation.workspace.workspace import Workspace

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 180.0

# Says each write as soon as its call has returned, and never ends by itself.
WRITER = """
import itertools, json, sys
from pathlib import Path
from compress_core.foundation.workspace.workspace import Workspace
folder, name, most = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
workspace = Workspace.at(folder)
def said(**what):
    print(json.dumps(what), flush=True)
workspace.models.add(name, None, {}, "digest", "lenet")
for n in range(most) if most else itertools.count():
    key = f"{name} {n}"
    content = key.encode() * 5000
    match n % 10:
        case 0: workspace.results.keep(key, "kind", content)
        case 1: workspace.sessions.save(name, key, {"n": n})
        case 2: workspace.trials.log(name, key, "model", [], {"n": n})
        case 3: workspace.uploads.save(name, key, {"weights": content, "card": key.encode()})
        case 4: workspace.models.add(key, name, {"n": n}, "digest", "lenet", {"weights": content})
        case 5: workspace.evaluations.keep(key, "validation", "items", n, {})
        case 6: workspace.remarks.tag(name, name, key)
        case 7: workspace.remarks.note(name, name, key)
        case 8: workspace.files.put(content)
        case 9: workspace.results.keep(key, "job", content)
    said(n=n)
"""

HOLDER = """
import sys
from pathlib import Path
from compress_core.foundation.workspace.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def started(folder: Path, name: str, most: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name, str(most)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def content_of(key: str) -> bytes:
    return key.encode() * 5000


# What the writer's n-th write left, by the last digit of n, and what it must be: (workspace, name, key, n).
WRITTEN: tuple[Callable[[Workspace, str, str, int], bool], ...] = (
    lambda w, _, key, __: w.results.find(key) == content_of(key),
    lambda w, name, key, n: (key, {"n": n}) in [(s.subject, s.content) for s in w.sessions.of(name)],
    lambda w, name, key, n: [t.numbers for t in w.trials.of(name, key)] == [{"n": n}],
    lambda w, name, key, _: (
        w.uploads.contents(name, key) == {"weights": content_of(key), "card": key.encode()}
    ),
    lambda w, name, key, _: (
        [m.key for m in w.models.lineage(key)] == [name, key]
        and w.files.content(w.models.files_of(key)["weights"]) == content_of(key)
    ),
    lambda w, _, key, n: [e.n for e in w.evaluations.of_model(key)] == [n],
    lambda w, name, key, _: key in w.remarks.tags(name, name),
    lambda w, name, key, _: key in [note.text for note in w.remarks.notes(name, name)],
    lambda w, _, key, __: w.files.content(sha_of(content_of(key))) == content_of(key),
    lambda w, _, key, __: w.results.find(key) == content_of(key),
)


def is_there(workspace: Workspace, name: str, n: int) -> bool:
    """Whether the writer's n-th write is found, whole."""
    return WRITTEN[n % 10](workspace, name, f"{name} {n}", n)


@pytest.mark.parametrize("last", [0, 7, 23, 41, 60])
def test_everything_that_was_acknowledged_before_a_kill_is_there(tmp_path: Path, last: int) -> None:
    writer = started(tmp_path, "victim", most=0)
    assert writer.stdout is not None
    acknowledged = []
    for line in writer.stdout:
        acknowledged.append(json.loads(line)["n"])
        if acknowledged[-1] >= last:
            writer.kill()
            break
    rest, _ = writer.communicate(timeout=PATIENCE)
    acknowledged += [json.loads(line)["n"] for line in rest.splitlines() if line.endswith("}")]
    found = Workspace.at(tmp_path)
    assert found.warning is None
    assert [n for n in acknowledged if not is_there(found, "victim", n)] == []
    found.sessions.save("somebody", "goes on", {})


def test_two_processes_write_at_once_and_both_find_everything(tmp_path: Path) -> None:
    writers = {name: started(tmp_path, name, most=60) for name in ("left", "right")}
    for writer in writers.values():
        _, errors = writer.communicate(timeout=PATIENCE)
        assert (writer.returncode, errors) == (0, "")
    found = Workspace.at(tmp_path)
    assert all(is_there(found, name, n) for name in writers for n in range(60))


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == "held"
    assert is_held(path)
    holder.kill()
    holder.communicate(timeout=PATIENCE)
    assert not is_held(path)
    assert not is_held(tmp_path / "nobody's")


def test_a_lock_is_held_until_it_is_let_go(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    assert is_held(tmp_path / "lock")
    lock.release()
    assert not is_held(tmp_path / "lock")
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]
