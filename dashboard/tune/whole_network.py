"""What is done to the whole network: preparations before anything else, corrections after everything.

And on how many items the steps measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from compress_core.apply.model import Model
from compress_core.recipe.edit import with_whole
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.techniques.contract.technique import Stage, Technique, techniques
from dashboard import state
from dashboard.bound_widget import beside, by_hand, refused_beside, showing
from dashboard.knob_form import knob_form
from dashboard.text import _, label, literal, translated
from dashboard.tune import calibration_items
from dashboard.tune.steps import names_of, take, with_knob
from dashboard.view import View

KEY = "tune.whole"
SECTIONS = (Stage.PREPARE, Stage.CORRECT)


def draw(view: View, model: Model) -> None:
    """Two columns of switches, one for each technique that there is."""
    titles = {
        Stage.PREPARE: _("Before anything else; the answers stay the same"),
        Stage.CORRECT: _("After everything; weights stay as they are"),
    }
    few, _rest = st.columns([1, 3])
    with few:
        calibration_items.draw(view, model)
    if "calibration" not in model.subject.splits:
        st.caption(_("Corrections measure on calibration items, which this model came without."))
    for column, stage in zip(st.columns(2, gap="medium"), SECTIONS, strict=True):
        with column:
            st.markdown(f"**{titles[stage]}**")
            for name in _in_order(stage):
                _switch(view, stage, techniques()[name])


def _steps(recipe: ResolvedRecipe, stage: Stage) -> tuple[Step, ...]:
    return recipe.prepare if stage is Stage.PREPARE else recipe.correct


def _switch(view: View, stage: Stage, method: Technique) -> None:
    key = f"{KEY}.{method.name}"
    steps = _steps(view.recipe, stage)
    step = next((step for step in steps if step.technique == method.name), None)
    st.toggle(
        label(method.name),
        key=showing(key, step is not None),
        on_change=by_hand(key, _switched, stage, method.name, key),
        help=translated(method.details) or None,
    )
    st.caption(literal(translated(method.summary)))
    beside(key)
    if step is not None:
        knob_form(
            step.knobs, without=frozenset(), key=key, on_change=partial(_knob_moved, stage, method.name)
        )


def _switched(stage: Stage, name: str, key: str) -> None:
    others = [step for step in _steps(state.required().recipe, stage) if step.technique != name]
    on = st.session_state[key]
    with refused_beside(key, False):  # a switch has no third place: what cannot be on is off
        _take(stage, [*others, Step.of(name)] if on else others)


def _knob_moved(stage: Stage, technique: str, knob: str, value: Any) -> None:
    steps = _steps(state.required().recipe, stage)
    _take(stage, [with_knob(s, knob, value) if s.technique == technique else s for s in steps])


def _take(stage: Stage, steps: Sequence[Step]) -> None:
    ordered = [step for known in _in_order(stage) for step in steps if step.technique == known]
    take(with_whole(state.required().recipe, stage, ordered))


def _in_order(stage: Stage) -> list[str]:
    """Norms are folded first: what is then left to balance is the layers alone."""
    return sorted(names_of(stage), key=lambda name: not name.startswith("fold"))
