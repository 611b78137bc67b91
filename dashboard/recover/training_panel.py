"""Start a training, watch it, end it, and see what it left."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from compress_core.apply.model import Model
from compress_core.face.train_compressed import Training
from compress_core.jobs.info import Info, State
from compress_core.training.loop import Trained
from compress_core.training.objective_of_kind import objective_of
from compress_core.training.plan import Plan
from compress_core.training.training_run import VALIDATION
from dashboard.lineage_name import lineage_name
from dashboard.page_job import LastResult, PageJob
from dashboard.recover import expected, outcome, progress_figures
from dashboard.recover.chosen_plan import choose
from dashboard.recover.told import Told
from dashboard.recover.training_job import (
    SHOWN,
    best_so_far,
    has_begun,
    outcome_of,
    plan_of,
    training_job,
)
from dashboard.text import _
from dashboard.view import View

EARLY, ENDED = "slimscope.recover.early", "slimscope.recover.ended"
_MAY_GO_ON = {State.UNKNOWN, State.CANCELLED, State.FAILED}


@dataclass(frozen=True, eq=False)
class EndedEarly:
    """A training of which this visitor took the best epoch before its end, and what its job told."""

    training: Training
    told: tuple[Told, ...]


def draw(view: View, model: Model, plan: Plan) -> None:
    """How long it takes and the button; the figures while it runs; afterwards the outcome."""
    work = training_job(model, plan)
    words, button = st.columns([2.6, 1], vertical_alignment="center")
    is_begun = work.info.state in _MAY_GO_ON and has_begun(model, plan)
    with words:
        if work.can_start:
            expected.draw(model, plan)
        elif work.is_done:
            st.caption(_("This training is done. Change how it is trained to start another one."))
    work.button(
        button,
        view,
        label=_label(work, is_begun=is_begun),
        icon=":material/model_training:",
        key="recover.start",
        type="primary",
    )
    work.follow(lambda found: _live(model, plan, found))
    if is_begun and _early(view, model, plan, work):
        return
    early: EndedEarly | None = st.session_state.get(ENDED)
    if early is not None and early.training.model.lineage == view.lineage:
        outcome.draw(view, early.training, early.told)
        return
    last = work.last_result(SHOWN)
    if last is not None:
        _last(view, last)


def _label(work: PageJob[Trained], *, is_begun: bool) -> str:
    if work.is_done:
        return _("Trained")
    return _("Go on training") if is_begun else _("Train")


def _live(model: Model, plan: Plan, found: Info) -> None:
    """The figures of a running job, drawn anew with each look at it."""
    if not found.figures:
        return
    progress_figures.draw(
        found.figures,
        epochs=plan.knobs.epochs,
        objective=objective_of(model.subject.answers),
        before=progress_figures.starting_point(model),
        lineage=model.lineage,
        items=len(model.subject.split(VALIDATION)),
        place=progress_figures.LIVE,
    )


def _early(view: View, model: Model, plan: Plan, work: PageJob[Trained]) -> bool:
    """What an interrupted training has learned, for who does not want to go on; whether it is shown."""
    st.info(
        _("This training was interrupted. Its last whole epoch is kept: go on from there, or take the best."),
        icon=":material/pause_circle:",
    )
    if st.session_state.get(EARLY) != work.job.key:
        st.button(
            _("Take the best epoch so far"),
            key="recover.early",
            icon=":material/flag:",
            on_click=_show_early,
            args=(work.job.key,),
        )
        return False
    trained = best_so_far(model, plan)
    if trained is None:
        return False
    training = outcome_of(model, plan.text, trained)
    st.session_state[ENDED] = EndedEarly(training, work.info.figures)
    outcome.draw(view, training, work.info.figures)
    return True


def _show_early(key: str) -> None:
    st.session_state[EARLY] = key


def _last(view: View, last: LastResult[Trained]) -> None:
    training = outcome.training_in(view, last)
    if last.is_stale and view.lineage != training.model.lineage:
        name = lineage_name(training.model.lineage)
        last.mark(view, _("An earlier training: {name}. Train again for what is set now.").format(name=name))
        st.button(
            _("Set it up as it was"),
            key="recover.as_it_was",
            icon=":material/history:",
            on_click=choose,
            args=(plan_of(training),),
        )
    outcome.draw(view, training, last.told)
