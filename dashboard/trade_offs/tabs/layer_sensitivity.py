"""Sensitivity: what each layer or group bears, measured as a job; curves, a map, and a table with words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.decide.family import Family
from compress_core.decide.scan import VALIDATION
from compress_core.decide.scan_frame import scan_frame
from compress_core.decide.scan_words import by_hurt, level_of, notes_on
from compress_core.foundation.texts import N_
from compress_core.jobs.info import State
from dashboard import chosen_split
from dashboard import job_panel as jobs
from dashboard.bound_widget import by_hand, showing
from dashboard.figures.sensitivity_curves import degree_said, sensitivity_curves, sensitivity_map
from dashboard.known_scan import curves_known, degrees_known, plan_of, scan_job
from dashboard.number_table import height_of, number_table
from dashboard.show import figure, is_dark, number_text, provenance, with_interval
from dashboard.text import _, literal
from dashboard.trade_offs.kl_words import say_what_kl_is
from dashboard.trade_offs.rows_to_come import RowsToCome
from dashboard.which_layer_bears import SCANNED, by_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compress_core.decide.sensitivity import Curve, ScanPoint
    from compress_core.jobs.info import Info
    from compress_core.subject.subject import Subject
    from dashboard.view import View

TITLE = N_("Sensitivity")
ORDER = 40
_FAMILY = "trade_offs.scan.family"
_MOST_NOTES = 6


def draw(view: View, model: Model) -> None:
    """The job, and what is known so far: the points of an interrupted scan are there too."""
    subject = model.subject
    if VALIDATION not in chosen_split.offered(subject):
        st.info(
            _("There are no validation items to measure on: upload items beside the model."),
            icon=":material/upload_file:",
        )
        return
    work = scan_job(view, subject, Family(SCANNED.chosen()))
    which, button = st.columns([3, 1.3], vertical_alignment="bottom")
    with which:
        _which_family()
    work.button(
        button,
        view,
        label=work.title,
        icon=":material/play_arrow:",
        key="sensitivity.scan",
        anew=lambda now: scan_job(now, subject, Family(SCANNED.chosen())),
        type="primary",
    )
    items, sample = len(subject.split(VALIDATION)), plan_of(view).sample
    rows = RowsToCome.now(Model.original(subject).key)
    work.follow(lambda found: _while_it_runs(found, rows, items, sample))
    found = work.result()
    curves = by_hurt(curves_known(view, subject) or (() if found is None else found.curves))
    if not curves:
        _explained(items, sample)
        return
    _say_what_is_missing(work.info.state, goes_on=jobs.goes_on_for_others(work.job.key))
    _shown(view, subject, curves, Family(SCANNED.chosen()))


def _which_family() -> None:
    st.segmented_control(
        _("What is done to each place alone"),
        [family.value for family in Family],
        format_func=lambda name: _(Family(name).label),
        key=showing(_FAMILY, SCANNED.chosen()),
        on_change=by_hand(_FAMILY, lambda: SCANNED.choose(st.session_state[_FAMILY])),
        required=True,
    )


def _explained(items: int, sample: int) -> None:
    said = _(
        "Every layer and every group of coupled channels of the model as loaded is compressed alone, to five "
        "degrees in four ways, and run on {sample:,} validation items."
    ).format(sample=min(sample, items))
    if items > sample:
        said += " " + _(
            "Where these leave open whether it is low, medium or high, because the interval reaches over "
            "0.01 or 0.1 nat, it is run on all {items:,}."
        ).format(items=items)
    st.caption(said + " " + _("A scan that is ended goes on where it was."))


def _while_it_runs(found: Info, rows: RowsToCome, items: int, sample: int) -> None:
    """On a cluster number and time left are of parts, each with both passes in it."""
    if items > sample and found.progress is not None and found.where is None:
        _say_passes(items, sample)
    rows.look(found)


def _say_passes(items: int, sample: int) -> None:
    """What the number and the time above count, and what may come after."""
    st.caption(
        _(
            "First pass: every point on {sample:,} items. Second pass: points whose interval reaches over "
            "0.01 or 0.1 nat, on all {items:,} items; it takes at most {times} times as long as the first. "
            "Number and time left are those of the pass under way."
        ).format(sample=sample, items=items, times=math.ceil(items / sample))
    )


def _say_what_is_missing(state: State, *, goes_on: bool) -> None:
    """That what stands below may not be all, and what the button does about it."""
    if goes_on:
        st.info(
            _("You follow the scan no more; it goes on for others. The button follows it again."),
            icon=":material/pause_circle:",
        )
    elif state is State.CANCELLED:
        st.info(
            _(
                "The scan was cancelled. What is known stands below; the button measures only what is "
                "missing."
            ),
            icon=":material/pause_circle:",
        )
    elif state in {State.UNKNOWN, State.FAILED}:
        st.caption(_("What is known stands below. Where anything is missing, the button measures only that."))


def _shown(view: View, subject: Subject, curves: Sequence[Curve], family: Family) -> None:
    of = provenance(split=VALIDATION, items=len(subject.split(VALIDATION)), lineage=())
    chosen = [curve for curve in curves if curve.family is family]
    if chosen:
        tried = degrees_known(view, subject, family)
        lines, cells = st.columns([1.35, 1])
        with lines:
            figure(sensitivity_curves(chosen, tried, dark=is_dark()), f"trade_offs.scan.curves.{family}", of)
        with cells:
            figure(sensitivity_map(chosen, tried, dark=is_dark()), f"trade_offs.scan.map.{family}", of)
    else:
        st.info(_("Nothing of this family is measured yet."), icon=":material/hourglass_empty:")
    by_output()
    points = [point for curve in chosen or curves for point in curve.points]
    number_table(
        _table(points),
        "trade_offs.scan",
        of,
        taken=scan_frame(curves),
        caption=_(
            "Sorted by the divergence at the middle degree. Low: below 0.01 nat; high: from 0.1 nat on."
        ),
        column_config={
            name: st.column_config.NumberColumn(format="localized")
            for name in (_("Items"), _("Packed bytes"))
        },
        height=height_of(len(points), 400),
    )
    say_what_kl_is(subject)
    _notes(chosen)


def _table(points: Sequence[ScanPoint]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            _("Place"): [point.place for point in points],
            _("Degree"): [degree_said(point) for point in points],
            _("Sensitivity"): [_word(point) for point in points],
            _("KL divergence"): [with_interval(point.kl) for point in points],
            _("Accuracy change"): [number_text(point.accuracy_change) for point in points],
            _("Items"): [point.kl.n for point in points],
            _("Packed bytes"): [point.packed_bytes for point in points],
        }
    )


def _word(point: ScanPoint) -> str:
    return "–" if point.kl.value is None else _(level_of(point.kl.value).label)


def _notes(curves: Sequence[Curve]) -> None:
    notes = [note for curve in curves for note in notes_on(curve)]
    if not notes:
        return
    with st.expander(_("What looks wrong and is not"), icon=":material/help:"):
        for note in notes[:_MOST_NOTES]:
            st.caption(literal(_(note)))
