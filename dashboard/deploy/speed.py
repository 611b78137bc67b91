"""Is it really fast? A job measures it; bars with intervals, and the reason of each in words."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.jobs.info import State
from compress_core.jobs.job import Job
from compress_core.measure.speed.latency import Bar
from compress_core.tasks.latency_result import Measured
from dashboard import job_panel as jobs
from dashboard import state
from dashboard.deploy import job_results, variant_table
from dashboard.figures.latency_bars import TimedBar, latency_bars
from dashboard.show import figure, interval_text, is_dark, kept, number_text
from dashboard.text import _, literal, refusal

SHOWN = "slimscope.deploy.shown"


@dataclass(frozen=True)
class ShownLatency:
    """The finished job whose times are on the screen, and the recipe it speaks of."""

    job: Job
    recipe: str


def draw(workspace: state.Workspace, model: Model) -> None:
    """Start, watch, show; an older result stays on the screen and is marked."""
    job = job_results.latency_job(model)
    found = jobs.info(job.key)
    words, button = st.columns([4, 1.3], vertical_alignment="bottom")
    words.caption(
        _(
            "Original and compressed model run in turns on one thread of this machine, one item at a time "
            "and 32 at once, in every runtime at hand. It takes about a minute, beside the page."
        )
    )
    title = _("Measure times")
    button.button(
        title,
        key="deploy.measure",
        type="primary",
        icon=":material/timer:",
        disabled=found.state in {State.QUEUED, State.RUNNING, State.DONE},
        on_click=jobs.submit,
        args=(job, workspace, title),
        width="stretch",
    )
    jobs.outcome(found)
    if not found.is_over:
        jobs.watch(job.key)
    if found.state is State.DONE:
        st.session_state[SHOWN] = ShownLatency(job, workspace.recipe.sha)
    _last_result(job)


def _last_result(wanted: Job) -> None:
    """The newest times of this model; marked where they belong to another recipe."""
    shown: ShownLatency | None = st.session_state.get(SHOWN)
    measured = job_results.measured(shown.job) if shown and shown.job.content == wanted.content else None
    if shown is None or measured is None:
        st.info(_("Not measured yet: nothing here is guessed."), icon=":material/timer_off:")
        return
    if shown.job.key != wanted.key:
        changed = json.loads(shown.job.lineage)
        st.warning(
            _("Older times, of recipe {recipe}. Measure again for what is set now.").format(
                recipe=shown.recipe[:8] if changed else _("unchanged")
            ),
            icon=":material/history:",
        )
    _result(measured, shown.job.key)


def _result(measured: Measured, key: str) -> None:
    for warning in measured.latency.warnings:
        st.warning(literal(_(warning)), icon=":material/speed:")
    timed = [_timed(bar) for bar in measured.latency.bars()]
    figure(kept("latency", key, lambda: latency_bars(timed, dark=is_dark())), "deploy.latency")
    st.markdown(f"**{_('Why it takes this long')}**")
    st.table(_reasons(measured), border="horizontal", hide_index=True)
    for runtime, why in measured.not_run:
        st.caption(
            _("{runtime} was not measured: {reason}").format(
                runtime=literal(_(runtime.title)), reason=literal(refusal(why))
            )
        )
    if measured.parities:
        with st.expander(_("Do the other runtimes still answer the same?"), icon=":material/rule:"):
            st.table(_parities(measured), border="horizontal", hide_index=True)
    if measured.tables:
        st.subheader(_("Which kernel variant suits each layer best?"))
        variant_table.draw(measured.tables)


def _timed(bar: Bar) -> TimedBar:
    time, ratio = bar.milliseconds, bar.ratio
    return TimedBar(
        _(bar.runtime.title),
        bar.whose == "original",
        bar.batch,
        *(_or_nan(value) for value in (time.value, time.low, time.high)),
        *(_or_nan(value) for value in (ratio.value, ratio.low, ratio.high)),
    )


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _reasons(measured: Measured) -> pd.DataFrame:
    """A row for each runtime and batch size; one row where both have the same reason."""
    rows: dict[tuple[str, str], list[Bar]] = {}
    for bar, reason in measured.bars:
        if bar.whose == "compressed":
            rows.setdefault((_(bar.runtime.title), _(reason)), []).append(bar)
    ordered = sorted(rows.items(), key=lambda item: [r for r, _reason in rows].index(item[0][0]))
    return pd.DataFrame(
        {
            _("runtime"): [literal(runtime) for (runtime, _reason), _bars in ordered],
            _("batch"): [", ".join(str(bar.batch) for bar in bars) for _row, bars in ordered],
            _("times faster"): [
                ", ".join(_with_interval(bar.ratio) for bar in bars) for _row, bars in ordered
            ],
            _("why"): [literal(reason) for (_runtime, reason), _bars in ordered],
        }
    )


def _with_interval(number: Number) -> str:
    return f"{number_text(number)} {interval_text(number)}".strip()


def _parities(measured: Measured) -> pd.DataFrame:
    titles = {side.runtime.name: _(side.runtime.title) for side in measured.latency.bars()}
    found = measured.parities
    return pd.DataFrame(
        {
            _("runtime"): [literal(titles.get(a.name.partition(":")[0], a.name)) for a in found],
            _("largest difference"): [_short(a.difference.value) for a in found],
            _("same class"): [_with_interval(a.same_class) for a in found],
            _("accuracy there"): [_with_interval(a.accuracy) for a in found],
            "N": [f"{a.difference.n or 0:,}" for a in found],
        }
    )


def _short(value: float | None) -> str:
    return _("not measured") if value is None or not np.isfinite(value) else f"{value:.2g}"
