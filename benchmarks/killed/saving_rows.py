"""Rows and files of a workspace, more of these than there is room for."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from benchmarks.killed_process import Say
from benchmarks.killed_work import Killed, Traces, killed, nothing, workspace_damage
from compress_core.foundation.workspace.workspace import Workspace


@killed("saves models, numbers, tags, sessions and results above the cap", order=1)
def saving_rows(*, small: bool) -> Killed:
    """Each round says its key when all of it is kept."""
    return Killed(partial(_save, rounds=8 if small else 60), nothing, _lost, workspace_damage)


def _save(folder: Path, say: Say, *, rounds: int) -> str:
    place = Workspace.at(folder, max_bytes=2**22)
    place.models.add("root", None, None, "digest", "lenet")
    for n in range(rounds):
        key = f"k{n}"
        files = {"trained": key.encode() * 50} if n % 9 == 0 else {}
        place.models.add(key, "root", {"n": n}, "digest", "lenet", files)
        place.evaluations.keep(key, "validation", "items", n, {})
        place.remarks.tag("", key, f"tag {n}")
        place.sessions.save("visitor", key, {"n": n})
        place.results.keep(key, "kind", key.encode() * 20000)
        say(key)
    found = {key: _saved(place, key) for key in (f"k{n}" for n in range(rounds))}
    place.close()
    return json.dumps(found)


def _saved(place: Workspace, key: str) -> list[object]:
    model = place.models.find(key)
    return [
        model and model.operation,
        [each.n for each in place.evaluations.of_model(key)],
        list(place.remarks.tags("", key)),
        [each.content for each in place.sessions.of("visitor") if each.subject == key],
        {
            name: place.files.content(digest) is not None
            for name, digest in place.models.files_of(key).items()
        },
    ]


def _lost(traces: Traces) -> int:
    place, whole = Workspace.at(traces.folder), Workspace.at(traces.whole)
    lost = sum(_saved(place, key) != _saved(whole, key) for key in traces.said)
    place.close()
    whole.close()
    return lost
