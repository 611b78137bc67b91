"""Is it really fast? A job measures it; bars with intervals, and the reason of each in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.measure.speed.latency import Bar
from compress_core.tasks.latency_result import Measured
from dashboard.deploy import job_results, variant_table
from dashboard.figures.latency_bars import TimedBar, latency_bars
from dashboard.page_job import LastResult
from dashboard.show import figure, is_dark, kept, provenance, with_interval
from dashboard.text import _, literal, refusal
from dashboard.view import View

SHOWN = "slimscope.deploy.shown"


def draw(view: View, model: Model) -> None:
    """Start, watch, show; an older result stays on the screen and is marked."""
    work, newest = job_results.next_latency_job(model), job_results.latency_job(model)
    words, button = st.columns([4, 1.3], vertical_alignment="bottom")
    words.caption(
        _(
            "Original and compressed model run in turns on one thread of this machine, one item at a time "
            "and 32 at once, in every runtime at hand, in several processes one after the other. It "
            "takes about a minute, beside the page."
        )
    )
    work.button(button, view, label=work.title, icon=":material/timer:", key="deploy.measure", type="primary")
    work.follow()
    last = newest.last_result(SHOWN)
    if last is None:
        st.info(_("Not measured yet: nothing here is guessed."), icon=":material/timer_off:")
        return
    if last.is_stale:
        said = _("Older times, of recipe {recipe}. Measure again for what is set now.")
        last.mark(view, said.format(recipe=last.recipe))
    _result(last.result, last)


def _result(measured: Measured, last: LastResult[Measured]) -> None:
    for warning in measured.latency.warnings:
        st.warning(literal(_(warning)), icon=":material/speed:")
    timed = [_timed(bar) for bar in measured.latency.bars()]
    drawn = kept("latency", last.job.key, lambda: latency_bars(timed, dark=is_dark()))
    figure(drawn, "deploy.latency", provenance(lineage=last.lineage))
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
        variant_table.draw(measured.tables, provenance(lineage=last.lineage))


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
            _("times faster than the original there"): [
                ", ".join(with_interval(bar.ratio) for bar in bars) for _row, bars in ordered
            ],
            _("than the original in torch"): [
                ", ".join(with_interval(bar.ratio_to_torch) for bar in bars) for _row, bars in ordered
            ],
            _("why"): [literal(reason) for (_runtime, reason), _bars in ordered],
        }
    )


def _parities(measured: Measured) -> pd.DataFrame:
    titles = {side.runtime.name: _(side.runtime.title) for side in measured.latency.bars()}
    found = measured.parities
    return pd.DataFrame(
        {
            _("runtime"): [literal(titles.get(a.name.partition(":")[0], a.name)) for a in found],
            _("largest difference"): [_short(a.difference.value) for a in found],
            _("same class"): [with_interval(a.same_class) for a in found],
            _("accuracy there"): [with_interval(a.accuracy) for a in found],
            "N": [f"{a.difference.n or 0:,}" for a in found],
        }
    )


def _short(value: float | None) -> str:
    return _("not measured") if value is None or not np.isfinite(value) else f"{value:.2g}"
