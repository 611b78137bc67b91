"""What breaks first: one knob over all layers as a job, then which layer's compression made an item flip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.decide.swept import Sweep, SweepPlan, SweptKnob, sweep_from_json
from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.tasks.sweep_knob import SWEEP
from dashboard import chosen_split
from dashboard import job_panel as jobs
from dashboard.bound_widget import by_hand, showing
from dashboard.explain import choice
from dashboard.figures.what_broke import TITLES, places_said, what_broke
from dashboard.page_job import PageJob
from dashboard.shared_choice import SharedChoice
from dashboard.show import figure, is_dark, left_out_text, number_text, provenance, with_interval
from dashboard.text import _, literal, refusal

if TYPE_CHECKING:
    from compress_core.jobs.info import Info
    from compress_core.subject.subject import Subject
    from dashboard.view import View

TITLE = N_("What broke first?")
ORDER = 30
SPLIT = "validation"
_KNOB = "trade_offs.sweep.knob"
_NAMES = {
    SweptKnob.SPARSITY: N_("Pruning"),
    SweptKnob.BITS: N_("Bits"),
    SweptKnob.RANK_SHARE: N_("Rank"),
}
TURNED: SharedChoice[str] = SharedChoice(
    "sweep", SweptKnob.SPARSITY.value, lambda text: text if text in set(SweptKnob) else None
)


def draw(view: View, model: Model) -> None:
    """Which knob, the job, and its figure with the table of knees."""
    subject = model.subject
    if SPLIT not in chosen_split.offered(subject):
        st.info(
            _(
                "There are no validation items, so nothing can be seen to break: "
                "upload items beside the model."
            ),
            icon=":material/upload_file:",
        )
        return
    work = _job(view, subject)
    which, button = st.columns([3, 1.3], vertical_alignment="bottom")
    with which:
        _which_knob()
    work.button(
        button,
        view,
        label=work.title,
        icon=":material/play_arrow:",
        key="damage.sweep",
        anew=lambda now: _job(now, subject),
        type="primary",
    )
    work.follow(_live)
    found = work.result()
    if found is None:
        if work.info.figures:
            return
        st.caption(_what_it_does(subject))
        return
    _result(found)


def _what_it_does(subject: Subject) -> str:
    if subject.answers.has_classes:
        return _(
            "All layers of the model as loaded are turned together, step by step. At each step all "
            "validation items are answered: accuracy often holds while explanations, calibration or "
            "one class already break."
        )
    return _(
        "All layers of the model as loaded are turned together, step by step. At each step all validation "
        "items are answered: answers often hold while explanations already break."
    )


def _which_knob() -> None:
    st.segmented_control(
        _("What is turned over all layers"),
        [knob.value for knob in SweptKnob],
        format_func=lambda name: _(_NAMES[SweptKnob(name)]),
        key=showing(_KNOB, TURNED.chosen()),
        on_change=by_hand(_KNOB, lambda: TURNED.choose(st.session_state[_KNOB])),
        required=True,
    )


def _job(view: View, subject: Subject) -> PageJob[Sweep]:
    """The sweep of the model as loaded; rows that the visitor locked stay as they are."""
    method = choice.usual_method(subject, subject.split(SPLIT))
    plan = SweepPlan(
        knob=SweptKnob(TURNED.chosen()),
        method="" if method is None else method.name,
        items=min(32, max(6, len(subject.split(SPLIT)))),
        locked=tuple(sorted(view.locked)),
    )
    return PageJob(
        SWEEP,
        jobs.job_of(SWEEP, Model.original(subject), plan, view.seed),
        _("See what breaks first"),
        lambda _found: 2**16,
        is_of_knobs=True,
    )


def _live(info: Info) -> None:
    """The places that were measured so far; nothing before the first one."""
    if info.figures:
        found = sweep_from_json(info.figures[-1])
        drawn = what_broke(found, is_over=False, dark=is_dark())
        figure(drawn, "trade_offs.sweep.live", provenance(split=SPLIT, items=found.n, lineage=()))


def _result(found: Sweep) -> None:
    of = provenance(split=found.plan.split, items=found.n, lineage=())
    figure(what_broke(found, dark=is_dark()), "trade_offs.sweep", of)
    st.table(knee_table(found), border="horizontal", hide_index=True)
    st.caption(
        _(
            "The knee: scale the knob from its first to its worst place and the measure from its first to "
            "its worst value; it is where the curve lies highest above the straight line between them "
            "(Kneedle, Satopää et al. 2011). A curve that falls from the start has its knee before the first "
            "step; a measure whose interval never leaves its first value has none. Where a measure has no "
            "interval, its knee is that of the values alone, which may be noise."
        )
    )
    for layer, reason in found.left_out:
        st.caption(_("Left as it is: {reason}").format(reason=left_out_text(layer, reason)))
    for point in found.points:
        if point.reason is not None:
            st.caption(literal(refusal(point.reason)))


def knee_table(found: Sweep) -> pd.DataFrame:
    """Each measure: at first, at its knee, where it is surely worse, at the end."""
    names = sorted(found.measures, key=lambda name: (found.knee(name) is None, found.knee(name) or 0))
    return pd.DataFrame(
        {
            _("Measure"): [_(TITLES[name]) for name in names],
            _("Before"): [_said(found, name, 0) for name in names],
            _("Knee after"): [_place(found, found.knee(name)) for name in names],
            _("There"): [_said(found, name, found.knee(name)) for name in names],
            _("Surely worse from"): [_surely(found, name) for name in names],
            _("At the end"): [_said(found, name, len(found.points) - 1) for name in names],
        }
    )


def _surely(found: Sweep, name: str) -> str:
    if np.isfinite(found.values(name)).any() and not found.has_interval(name):
        return _("no interval")
    return _place(found, found.first_worse(name))


def _place(found: Sweep, place: int | None) -> str:
    return _("none") if place is None else places_said(found)[place]


def _said(found: Sweep, name: str, place: int | None) -> str:
    if place is None:
        return "–"
    number: Number | None = found.points[place].numbers.get(name)
    if number is None:
        return _("not measured")
    return with_interval(number) if place == 0 else number_text(number)
