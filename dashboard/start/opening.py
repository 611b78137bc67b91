"""Opening a model without losing the work on another one. Needs no torch until a model is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

import streamlit as st

from compress_core.loading.cards import cards
from dashboard import opened, page_address, state, trial_log
from dashboard.language import QUERY_KEY
from dashboard.text import _
from dashboard.view import View

if TYPE_CHECKING:
    from compress_core.subject.subject import Subject

TUNE, LEARN, BEHAVIOR = "pages/tune.py", "pages/learn.py", "pages/behavior.py"
SET_ASIDE = "slimscope.set_aside"
MOST_SET_ASIDE = 6
DEMO_MODEL = "lenet5"
DEMO_LAYER = "fc1"
DEMO_SPARSITY = 0.9
DEMO_BITS = 4
DEMO: Mapping[str, Any] = MappingProxyType(
    {
        "layers": [
            {
                "match": DEMO_LAYER,
                "steps": [
                    {"technique": "magnitude", "sparsity": DEMO_SPARSITY},
                    {"technique": "uniform", "bits": DEMO_BITS},
                ],
            }
        ]
    }
)


def go(page: str) -> NoReturn:
    """Show a page; a language that the link asks for is asked for there as well."""
    said = st.query_params.get(QUERY_KEY)
    st.switch_page(page, query_params={QUERY_KEY: said} if said else None)


def set_aside() -> Mapping[str, View]:
    """Work on models other than the open one, the latest last."""
    kept: dict[str, View] = st.session_state.get(SET_ASIDE, {})
    now = state.current()
    return MappingProxyType({model: w for model, w in kept.items() if now is None or model != now.model})


def open_model(model: str) -> View:
    """Work on a model, where the visitor left it; what was open is set aside. Raises Refused."""
    now = state.current()
    if now is not None and now.model == model:
        return now
    if now is not None:
        state.leave(now)
    before = set_aside()
    if model in before:
        latest = max(before[model].version, now.version if now else 0)
        state.keep(replace(before[model], version=latest + 1))
    else:
        page_address.open_model(model)
    kept = {name: w for name, w in before.items() if name != model}
    if now is not None and has_work(now):
        kept[now.model] = now
    st.session_state[SET_ASIDE] = dict(list(kept.items())[-MOST_SET_ASIDE:])
    return state.required()


def has_work(view: View) -> bool:
    """Whether leaving this view would lose something."""
    return bool(view.lineage or view.past or view.locked)


def open_demo() -> None:
    """The demo: a recipe on one layer of a sample model, as an edit, so that Undo takes it back."""
    from compress_core.recipe.reading import parse_recipe

    state.keep(replace(state.with_recipe(open_model(DEMO_MODEL), parse_recipe(DEMO)), layer=DEMO_LAYER))


def open_snapshot(model: str, name: str) -> None:
    """A recipe that was kept under a name; Undo leads back to what was there."""
    view = open_model(model)
    line = next(line for line in trial_log.named(state.subject(view)) if line.name == name)
    state.keep(state.returned(view, line.model))


def title_of(model: str) -> str:
    """What a model is called, without loading it."""
    if model in cards():
        return _(cards()[model].title)
    if model in opened.handed_over():
        return opened.handed_over()[model].subject.title
    return uploads()[model].title if model in uploads() else model


def uploads() -> Mapping[str, Subject]:
    """The models that the visitor uploaded, the latest last, under the names to open them by."""
    kept: dict[str, Subject] = st.session_state.get(state.UPLOADS, {})
    return MappingProxyType(dict(kept))
