"""What a closed tab does not lose: each visitor's work on each model, in the workspace of the server.

A step back is the key of a model: the tree of models says what was done to get there. Each tab has its own
way back and forth; a new one begins with a copy of that of the tab that was last at work. The log of what
was tried, with its names, belongs to all tabs (`dashboard.trial_log`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import streamlit as st

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.uploads import CARD
from dashboard import asked_change, engine
from dashboard.lineage_name import lineage_name
from dashboard.tab import tab
from dashboard.view import View
from dashboard.visitor import visitor
from dashboard.visitor_jobs import jobs_of_visitor, remember_jobs

if TYPE_CHECKING:
    from compress_core.apply.lineage import Lineage
    from compress_core.foundation.workspace.uploads import Upload
    from compress_core.subject.subject import Subject

KEYS = "slimscope.model_keys"
_LAYERS, _SHA, _NAME, _ASKED = "layers", "sha", "name", "asked"


@dataclass(frozen=True)
class SavedWork:
    """Work of this visitor that can be opened again: on which model, and how much was changed.

    name: what the changed model is called; empty for the original. is_upload: whether the model is the
    visitor's own, and kept with the work.
    """

    model: str
    title: str
    layers: int
    name: str
    is_upload: bool = False


def save(view: View, subject: Subject) -> None:
    """Keep a view: it is on the disk when this returns."""
    place = engine.workspace()
    keys = _Keys(subject)
    recipe, asked = view.recipe, asked_change.waiting_at(view)
    _add((), keys, subject)
    _add(view.lineage, keys, subject)
    content: Any = {
        "at": keys.of(view.lineage),
        "past": [keys.of(lineage) for lineage in view.past],
        "future": [keys.of(lineage) for lineage in view.future],
        "version": view.version,
        "layer": view.layer,
        "seed": view.seed,
        "locked": sorted(view.locked),
        "jobs": dict(jobs_of_visitor()),
        "title": subject.title,
        _ASKED: asked_change.left_over(view.model) if asked is None else asked.as_json(),
        _LAYERS: len(recipe.layers),
        _SHA: recipe.sha if recipe else "",
        _NAME: lineage_name(view.lineage) if view.lineage else "",
    }
    place.sessions.save(visitor(), view.model, content, tab())


def restored(model: str, subject: Subject) -> View | None:
    """Where this visitor was with a model, in this tab or else in the one that was last at work on it.

    None where there is nothing, or it cannot be read any more.
    """
    saved = engine.workspace().sessions.find(visitor(), model, tab())
    if saved is None:
        return None
    content: Any = saved.content
    found = {name: _ways(content[name]) for name in ("past", "future")}
    at = _ways([content["at"]])
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
        # A browser that comes back to a new server brings its widgets' values along: new keys drop them.
        content.get("version", 0) + 1,
    )


def left_waiting(model: str) -> Mapping[str, Any] | None:
    """The change that waited for groups when the tab was left, as `AskedChange.as_json` says it."""
    saved = engine.workspace().sessions.find(visitor(), model, tab())
    content: Any = {} if saved is None else saved.content
    found: Mapping[str, Any] | None = content.get(_ASKED)
    return found


def is_kept(model: str, word: str) -> bool:
    """Whether there is work of this visitor on a model, of the tab of this word or of another one."""
    return engine.workspace().sessions.find(visitor(), model, word) is not None


def is_on_way(lineage: Lineage, model: str, subject: Subject, word: str) -> bool:
    """Whether the tab of this word was last at a model, or has it on its way back or forth."""
    if not engine.workspace().sessions.is_at_work(visitor(), model, word):
        return False
    view = restored(model, subject)
    return view is not None and lineage in {view.lineage, *view.past, *view.future}


def others(but: Iterable[str]) -> tuple[SavedWork, ...]:
    """The work of this visitor on other models than these, the newest first; then uploads without any."""
    place, known = engine.workspace(), set(but)
    uploads = {one.name: one for one in place.uploads.of(visitor())}
    found: dict[str, SavedWork] = {}
    for session in place.sessions.of(visitor()):
        model, said = session.subject, cast("dict[str, Any]", session.content)
        name = said.get(_NAME, said[_SHA][:8])
        found[model] = SavedWork(model, said["title"], said[_LAYERS], name, model in uploads)
    for model, upload in uploads.items():
        if model not in found and (title := _title_of(upload)) is not None:
            found[model] = SavedWork(model, title, 0, "", is_upload=True)
    return tuple(saved for model, saved in found.items() if model not in known)


def is_upload_kept(model: str) -> bool:
    """Whether an upload of this visitor outlives the session."""
    return any(one.name == model for one in engine.workspace().uploads.of(visitor()))


def _title_of(upload: Upload) -> str | None:
    """What an upload is called, read without the network; None where its files are damaged."""
    card = engine.workspace().uploads.content(upload, CARD)
    return None if card is None else str(json.loads(card)["name"])


def forget(saved: SavedWork) -> None:
    """Let go of the work on a model; of an upload to which nothing was done, of the model as well."""
    place = engine.workspace()
    place.sessions.drop(visitor(), saved.model)
    if saved.is_upload and not saved.name:
        place.uploads.drop(visitor(), saved.model)


def keep_model(lineage: Lineage, subject: Subject) -> str:
    """Keep a model and all on the way to it in the tree, by what was done; gives its key."""
    keys = _Keys(subject)
    _add(lineage, keys, subject)
    return keys.of(lineage)


def way_to(key: str) -> Lineage | None:
    """What was done to get to a model of the tree; None where this release cannot read it."""
    from compress_core.apply.lineage import read_lineage

    line = engine.workspace().models.lineage(key)
    if not line:
        return None
    try:
        return read_lineage([model.operation for model in line[1:]])
    except Refused:  # of a release whose recipes this one does not read
        return None


def way_known_to(key: str) -> Lineage:
    """The same; raises Refused where this release cannot read it."""
    way = way_to(key)
    if way is None:
        raise Refused(
            "This recipe was tried with another release, and this one cannot read it: set its steps again."
        )
    return way


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
    return tuple(way for key in keys if (way := way_to(key)) is not None)


def _trained(way: Lineage, key: str) -> Mapping[str, bytes]:
    """What no recipe makes again is kept by its model: the weights of a training."""
    from compress_core.apply.lineage import Train

    if not way or not isinstance(way[-1], Train):
        return {}
    from compress_core.apply.trained import kept_files

    return kept_files(key, engine.store())


def _add(lineage: Lineage, keys: _Keys, subject: Subject) -> None:
    """Every model on the way to one, the first one first; what this visitor has made already is there."""
    models = engine.workspace().models
    ways = {keys.of(lineage[:length]): lineage[:length] for length in range(len(lineage) + 1)}
    made = models.made_by(visitor(), ways)
    for key, way in ways.items():
        if key in made:
            continue
        parent, operation = (keys.of(way[:-1]), way[-1].as_json()) if way else (None, None)
        files = _trained(way, key)
        models.add(key, parent, operation, subject.digest, subject.title, files, visitor())
