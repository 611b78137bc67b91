"""What is done to the whole network: preparations before anything else, corrections after everything.

And on how many items the steps measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.recipe.edit import with_whole
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.techniques.contract.technique import Stage, Technique, techniques
from dashboard import state
from dashboard.knob_form import knob_form
from dashboard.text import _, label, literal, refusal, translated
from dashboard.tune import calibration_items
from dashboard.tune.steps import keep, names_of
from dashboard.view import View

KEY = "tune.whole"
REFUSED = "slimscope.tune.refused"
SECTIONS = (Stage.PREPARE, Stage.CORRECT)


def draw(view: View, model: Model) -> None:
    """Two columns of switches, one for each technique that there is."""
    titles = {
        Stage.PREPARE: _("Before anything else; the answers stay the same"),
        Stage.CORRECT: _("After everything; weights stay as they are"),
    }
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
    key = f"{KEY}.{view.version}.{method.name}"
    steps = _steps(view.recipe, stage)
    step = next((step for step in steps if step.technique == method.name), None)
    st.toggle(
        label(method.name),
        step is not None,
        key=key,
        on_change=partial(_switched, stage, method.name, key),
        help=translated(method.details) or None,
    )
    st.caption(literal(translated(method.summary)))
    said = st.session_state.get(REFUSED)
    if said is not None and said[:2] == (method.name, view.recipe.sha):
        st.warning(literal(said[2]), icon=":material/block:")
    if step is not None:
        knob_form(
            step.knobs,
            without=frozenset(),
            key=key,
            on_change=partial(_knob_moved, stage, method.name, key),
        )


def _switched(stage: Stage, name: str, key: str) -> None:
    recipe = state.required().recipe
    others = [step for step in _steps(recipe, stage) if step.technique != name]
    _try(stage, name, [*others, Step.of(name)] if st.session_state[key] else others)


def _knob_moved(stage: Stage, name: str, key: str) -> None:
    steps = _steps(state.required().recipe, stage)
    _try(stage, name, [_from_widgets(step, key) if step.technique == name else step for step in steps])


def _from_widgets(step: Step, key: str) -> Step:
    return Step.of(step.technique, **{k: st.session_state.get(f"{key}.{k}", v) for k, v in step.knobs})


def _try(stage: Stage, name: str, steps: Sequence[Step]) -> None:
    """Take over the steps; the sentence of a refusal stands beside the switch that caused it."""
    recipe = state.required().recipe
    ordered = [step for known in _in_order(stage) for step in steps if step.technique == known]
    refused: Refused | None = keep(with_whole(recipe, stage, ordered))
    st.session_state.pop(REFUSED, None)
    if refused is not None:
        state.taken_notice()
        st.session_state[REFUSED] = (name, recipe.sha, refusal(refused))


def _in_order(stage: Stage) -> list[str]:
    """Norms are folded first: what is then left to balance is the layers alone."""
    return sorted(names_of(stage), key=lambda name: not name.startswith("fold"))
