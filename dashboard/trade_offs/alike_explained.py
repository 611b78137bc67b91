"""Whether picked models still look at the same things as the original: what is known, or a job for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd
import streamlit as st

from compress_core.foundation.number import fixed
from compress_core.tasks.explain_items import ManyExplained
from dashboard import job_panel as panel
from dashboard.explain import choice
from dashboard.explain.explain_job import explain_job
from dashboard.page_job import PageJob
from dashboard.refused_here import notice_beside
from dashboard.text import _, label

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.subject.split import Split
    from dashboard.view import View

ITEMS = 64
MISSING = "trade_offs.explain"


class Titled(Protocol):
    """A model with what it is called."""

    @property
    def title(self) -> str:
        """How columns are headed."""

    @property
    def model(self) -> Model:
        """The model."""


def draw(view: View, shown: Sequence[Titled], split: Split) -> None:
    """A table of what is known, and the button that has the rest worked out."""
    method = choice.usual_method(shown[0].model.subject, split)
    if method is None:
        return
    compressed = [one for one in shown if one.model.is_changed]
    count = min(ITEMS, len(split))
    jobs = [explain_job(one.model, split, method, count, None, view.seed) for one in compressed]
    st.markdown(f"**{_('Attribution similarity to the original')}**")
    button, words = st.columns([1.6, 4], vertical_alignment="center")
    open_jobs = [job for job in jobs if job.can_start]
    button.button(
        _("Explain what is missing"),
        key=MISSING,
        icon=":material/play_arrow:",
        disabled=not open_jobs,
        on_click=_submit,
        args=(open_jobs, view),
        width="stretch",
    )
    notice_beside(MISSING)
    words.caption(
        _("{method}, {items} items of the {split} split: rank correlation with the original's maps.").format(
            method=label(method.name), items=min(ITEMS, len(split)), split=_(split.name)
        )
    )
    for job in jobs:
        _follow(job)
    rows = [(one.title, job.result()) for one, job in zip(compressed, jobs, strict=True)]
    known = [(title, found) for title, found in rows if found is not None]
    if known:
        st.table(_frame(known), border="horizontal", hide_index=True)


def _follow(job: PageJob[ManyExplained]) -> None:
    """How far it is, or why it left nothing."""
    if job.info.is_over:
        panel.outcome(job.info)
    else:
        panel.watch(job.job.key)


def _submit(jobs: Sequence[PageJob[ManyExplained]], view: View) -> None:
    for job in jobs:
        job.submit(view, MISSING)


def _frame(known: Sequence[tuple[str, ManyExplained]]) -> pd.DataFrame:
    """Median, quartiles, and the two bounds beside which a similarity means something."""
    return pd.DataFrame([{"": title, **_bounds(found)} for title, found in known])


def _bounds(found: ManyExplained) -> dict[str, str]:
    summary = found.explanation.summary()
    rows = summary[summary["measure"] == "spearman"].to_dict("records")
    by_group: dict[str, dict[Any, Any]] = {str(row["group"]): row for row in rows}
    every = by_group["all"]
    return {
        _("Median"): fixed(every["median"]),
        _("Half of the items"): f"{fixed(every['low_quartile'])} – {fixed(every['high_quartile'])}",
        _("Noise ceiling"): fixed(by_group["noise ceiling"]["median"]),
        _("Random floor"): fixed(by_group["random floor"]["median"]),
        "N": f"{int(every['n']):,}",
    }
