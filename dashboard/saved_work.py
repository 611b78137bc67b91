"""What a closed tab does not lose: each visitor's work on each model, in the workspace of the server.

A step back is the key of a model: the tree of models says what was done to get there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import streamlit as st

from compress_core.foundation.errors import Refused
from dashboard import engine
from dashboard.view import View
from dashboard.visitor import visitor
from dashboard.visitor_jobs import jobs_of_visitor, remember_jobs

if TYPE_CHECKING:
    from compress_core.apply.lineage import Lineage
    from compress_core.apply.model import Model
    from compress_core.foundation.number import Number
    from compress_core.subject.subject import Subject

KEYS = "slimscope.model_keys"
TRIED = "slimscope.tried"
ADDED = "slimscope.added_models"
_LAYERS, _SHA = "layers", "sha"


@dataclass(frozen=True)
class SavedWork:
    """Work of this visitor that can be opened again: on which model, how much was changed, its digest."""

    model: str
    title: str
    layers: int
    sha: str


def save(view: View, subject: Subject) -> None:
    """Keep a view: it is on the disk when this returns."""
    place = engine.workspace()
    keys = _Keys(subject)
    recipe = view.recipe
    _add((), keys, subject)
    for lineage in {view.lineage, *view.snapshots.values()}:
        _add(lineage, keys, subject)
    content: Any = {
        "at": keys.of(view.lineage),
        "past": [keys.of(lineage) for lineage in view.past],
        "future": [keys.of(lineage) for lineage in view.future],
        "snapshots": {name: keys.of(lineage) for name, lineage in view.snapshots.items()},
        "layer": view.layer,
        "seed": view.seed,
        "locked": sorted(view.locked),
        "jobs": dict(jobs_of_visitor()),
        "title": subject.title,
        _LAYERS: len(recipe.layers),
        _SHA: recipe.sha if view.lineage else "",
    }
    place.sessions.save(visitor(), view.model, content)


def restored(model: str, subject: Subject) -> View | None:
    """Where this visitor was with a model; None where there is nothing, or it cannot be read any more."""
    saved = next((s for s in engine.workspace().sessions.of(visitor()) if s.subject == model), None)
    if saved is None:
        return None
    content: Any = saved.content
    found = {name: _ways(content[name]) for name in ("past", "future")}
    at = _ways([content["at"]])
    snapshots = {name: way for name, key in content["snapshots"].items() for way in _ways([key])}
    if not at:
        return None
    remember_jobs(content["jobs"])
    return View(
        model,
        at[0],
        content["layer"] if content["layer"] in subject.by_name else "",
        content["seed"],
        found["past"],
        found["future"],
        frozenset(content["locked"]) & subject.by_name.keys(),
        MappingProxyType(snapshots),
    )


def others(but: Iterable[str]) -> tuple[SavedWork, ...]:
    """The work of this visitor on other models than these, the newest first."""
    known = set(but)
    found = (s for s in engine.workspace().sessions.of(visitor()) if s.subject not in known)
    contents: Iterable[tuple[str, Any]] = ((s.subject, s.content) for s in found)
    return tuple(SavedWork(model, c["title"], c[_LAYERS], c[_SHA]) for model, c in contents)


def forget(model: str) -> None:
    """Let go of the work on a model."""
    engine.workspace().sessions.drop(visitor(), model)


def log_trial(model: Model, numbers: Mapping[str, Number]) -> None:
    """Note that this visitor saw these numbers of a model, once in a session; a full disk is no error."""
    seen: set[str] = st.session_state.setdefault(TRIED, set())
    if model.is_changed and model.key not in seen:
        said: Any = {name: number.as_json() for name, number in numbers.items()}
        recipe = model.recipe.as_json()
        seen.add(model.key)
        with suppress(Refused):
            engine.workspace().trials.log(visitor(), model.subject.digest, model.key, recipe, said)


class _Keys:
    """Keys of the models of one subject, worked out once in a session."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._known: dict[tuple[str, ...], str] = st.session_state.setdefault(KEYS, {}).setdefault(
            (subject.key, subject.identity), {}
        )

    def of(self, lineage: Lineage) -> str:
        from compress_core.apply.run import key_of

        name = tuple(operation.key for operation in lineage)
        if name not in self._known:
            self._known[name] = key_of(self._subject, lineage)
        return self._known[name]


def _ways(keys: Iterable[str]) -> tuple[Lineage, ...]:
    """What was done to get to models that are known by their keys; what cannot be read is left out."""
    return tuple(way for key in keys if (way := _way(key)) is not None)


def _way(key: str) -> Lineage | None:
    from compress_core.apply.lineage import read_lineage

    line = engine.workspace().models.lineage(key)
    if not line:
        return None
    try:
        return read_lineage([model.operation for model in line[1:]])
    except Refused:  # of a release whose recipes this one does not read
        return None


def _add(lineage: Lineage, keys: _Keys, subject: Subject) -> None:
    """Every model on the way to one, the first one first; what this session has added is there."""
    added: set[str] = st.session_state.setdefault(ADDED, set())
    for length in range(len(lineage) + 1):
        way = lineage[:length]
        key = keys.of(way)
        if key in added:
            continue
        parent, operation = (keys.of(way[:-1]), way[-1].as_json()) if way else (None, None)
        engine.workspace().models.add(key, parent, operation, subject.digest, subject.title)
        added.add(key)
