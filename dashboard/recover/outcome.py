"""What a training left: before and after side by side, and the way to look at it on other pages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from compress_core.apply.kept_forms import ground_of
from compress_core.apply.lineage import Lineage, compressed_by
from compress_core.apply.model import Model
from compress_core.apply.run import resolved_for
from compress_core.face.train_compressed import Training
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.measure.cost.cost import costs
from compress_core.recipe.reading import parse_recipe
from compress_core.training.loop import Trained
from compress_core.training.objective_of_kind import objective_of
from compress_core.training.training_run import VALIDATION
from dashboard import engine, page_files, state
from dashboard.chosen_split import REPORTING
from dashboard.figures.training_curves import StartingPoint
from dashboard.figures.words import in_bytes
from dashboard.lineage_name import lineage_name
from dashboard.long_searches import made
from dashboard.page_job import LastResult
from dashboard.recover import progress_figures
from dashboard.recover.told import Told
from dashboard.recover.training_job import outcome_of, plan_of
from dashboard.refused_here import notice_beside
from dashboard.show import number_text, with_interval
from dashboard.text import _, literal, refusal
from dashboard.view import View

AT_ONCE_S = 0.3
LEADS_TO = ("behavior", "explain", "deploy")
CUTTING = parse_recipe({"prepare": ["cut_zero_units"]})


def training_in(view: View, last: LastResult[Trained]) -> Training:
    """What a job left, as a model; raises Refused where the model that it began with cannot be made."""
    parent = made(state.subject(view), last.lineage)
    return outcome_of(parent, last.knobs["plan"], last.result)


def draw(view: View, training: Training, told: Sequence[Told]) -> None:
    """Numbers before and after, buttons, the figures of all epochs; told: what the job said of its steps."""
    parent = training.model.parent
    assert parent is not None, "a training has a model that it began with"
    if training.ended is not None:
        st.warning(literal(_(training.ended)), icon=":material/flag:")
    before = progress_figures.starting_point(parent, seconds=AT_ONCE_S)
    st.table(_numbers(parent, training, before), border="horizontal", hide_index=True)
    said = epoch_words(training)
    if said:
        st.caption(said)
    if before.compressed is None or before.original is None:
        st.fragment(_until_measured, run_every=engine.ASK_EVERY_S)(parent)
    _use(view, training)
    inside = [each for each in told if "step" in each]
    progress_figures.draw(
        [*(epoch.as_json() for epoch in training.history), *inside],
        epochs=plan_of(training).knobs.epochs,
        objective=objective_of(parent.subject.answers),
        before=before,
        lineage=parent.lineage,
        items=len(parent.subject.split(VALIDATION)),
        kept=training.epoch,
    )


def epoch_words(training: Training) -> str:
    """Which items chose the epoch, and which judge the model; empty where there was only one."""
    if len(training.history) < 2:
        return ""
    splits = training.model.subject.splits
    chose = _(
        "The {items:,} validation items chose epoch {epoch} of {epochs}: they tend to find it too good."
    )
    said = chose.format(items=len(splits[VALIDATION]), epoch=training.epoch, epochs=len(training.history))
    if REPORTING not in splits:
        return f"{said} {_('There are no test items, which would judge it: none but these came with it.')}"
    judge = _("The {items:,} test items, which chose nothing, judge it: on Behavior and on Review.")
    return f"{said} {judge.format(items=len(splits[REPORTING]))}"


def _until_measured(parent: Model) -> None:
    """Draws nothing; the run that follows finds the numbers."""
    before = progress_figures.starting_point(parent)
    if before.compressed is not None and before.original is not None:
        st.rerun()


def _numbers(parent: Model, training: Training, before: StartingPoint) -> pd.DataFrame:
    """A row for each number: the original, the compressed model before and after the training."""
    original = Model.original(parent.subject)
    after = training.history[training.epoch - 1].score
    items = len(parent.subject.split(VALIDATION))
    title = _(objective_of(parent.subject.answers).metric.title)
    score = _("{metric}, {split}, N = {items:,}").format(metric=title, split=_(VALIDATION), items=items)
    return pd.DataFrame(
        {
            "": [score, _("zeros among all weights"), _("plain file")],
            _("original"): _column(original, before.original),
            _("before training"): _column(parent, before.compressed),
            _("after training"): _column(training.model, after),
        }
    )


def _column(model: Model, score: Number | None) -> list[str]:
    said = _("being measured …") if score is None else with_interval(score)
    return [said, _zeros(model), in_bytes(model.file_bytes)]


def _zeros(model: Model) -> str:
    return number_text(costs(model, engine.store())["sparsity"])


def _use(view: View, training: Training) -> None:
    """The pages on which the trained model can be looked at; the first step there takes it over."""
    lineage = training.model.lineage
    is_here = view.lineage == lineage
    if is_here:
        st.success(
            _("You look at the trained model now, on every page. Undo leads back to the one before."),
            icon=":material/check:",
        )
    with st.container(horizontal=True, gap="small"):
        for number, name in enumerate(LEADS_TO):
            page = page_files.page_files()[name]
            if st.button(
                _("Open on {page}").format(page=_(page.title)),
                key=f"recover.open.{name}",
                icon=page.icon,
                type="primary" if number == 0 else "secondary",
                on_click=None if is_here else partial(_take_over, lineage),
            ):
                st.switch_page(page.path)
        if is_here:
            _cut_button(training)
        else:
            st.button(
                _("Use it here"),
                key="recover.use",
                icon=":material/check:",
                on_click=partial(_take_over, lineage),
                help=_("The header and every page then show the trained model; Undo leads back."),
            )
    notice_beside("recover.use")
    st.caption(_("As a recipe it is called {name}.").format(name=literal(lineage_name(lineage))))


def _cut_button(training: Training) -> None:
    """Cuts what training left dead, where a method moves whole units; else they are found by nobody."""
    st.button(
        _("Cut what died"),
        key="recover.cut",
        icon=":material/content_cut:",
        on_click=_cut,
        args=(training.model,),
        help=_(
            "Channels, neurons and heads that nobody hears any more are cut for real: smaller layers, the "
            "same answers. Undo leads back."
        ),
    )


def _cut(trained: Model) -> None:
    """Put a recipe on top that cuts what changes no answer; a sentence where there is nothing to cut."""
    try:
        cutting = resolved_for(ground_of(trained, engine.store()), CUTTING, engine.store())
        state.keep(state.at(state.required(), (*trained.lineage, *compressed_by(cutting))))
    except Refused as refused:
        state.notice(refusal(refused), beside="recover.use")


def _take_over(lineage: Lineage) -> None:
    view = state.required()
    try:
        if view.lineage != lineage:
            state.keep(state.at(view, lineage))
    except Refused as refused:
        state.notice(refusal(refused), beside="recover.use")
