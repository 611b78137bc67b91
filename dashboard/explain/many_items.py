"""Many items: a job, its progress, and what it found; the last result stays until there is a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from compress_core.measure.explain.attribution import AttributionMethod
from compress_core.measure.explain.similarity import MEASURES
from compress_core.tasks.explain_items import EXPLAIN, ExplainKnobs, ManyExplained
from dashboard import job_panel as jobs
from dashboard.explain import gallery
from dashboard.explain.plain_words import how_it_was_made, verdict, what_floors_say
from dashboard.figures.similarity_summary import measure_names, similarity_summary
from dashboard.page_job import LastResult, PageJob
from dashboard.show import figure, is_dark
from dashboard.text import _, label, literal
from dashboard.view import View

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.subject.split import Split

SIZES = (64, 256)
SHOWN = "slimscope.explain.shown"
SIZE = "slimscope.explain.size"


def draw(view: View, model: Model, split: Split, method: AttributionMethod) -> None:
    """Choose how many, start, watch; then the figure and the gallery of the worst items."""
    st.subheader(_("Over many items"))
    place, button = st.columns([3, 1.4], vertical_alignment="bottom")
    items = _size(place, len(split))
    knobs = ExplainKnobs(method=method.name, split=split.name, items=items)
    job = jobs.job_of(EXPLAIN, model, knobs, view.seed)
    title = _("Explain {items:,} items").format(items=items)
    work = PageJob(EXPLAIN, job, title, lambda found: 3 * found.explanation.before.nbytes)
    work.button(button, view, label=title, icon=":material/play_arrow:", type="primary")
    work.follow()
    last = work.last_result(SHOWN, view)
    if last is None:
        st.caption(
            _(
                "One item can mislead. Over many, the medians say how far the model has moved; "
                "this runs beside the page and can be cancelled."
            )
        )
        return
    if last.is_stale:
        _stale(last)
    _result(model, last.result, last.job.key)


def _stale(last: LastResult[ManyExplained]) -> None:
    st.warning(
        _(
            "An older result: {method}, {items:,} items, recipe {recipe}. Start it again for what is set now."
        ).format(method=label(last.knobs["method"]), items=last.knobs["items"], recipe=last.recipe),
        icon=":material/history:",
    )


def _size(place: st.delta_generator.DeltaGenerator, most: int) -> int:
    sizes = sorted({min(size, most) for size in SIZES})
    wish = st.session_state.get(SIZE, sizes[0])
    chosen = place.segmented_control(
        _("How many items, drawn at random"),
        sizes,
        default=wish if wish in sizes else sizes[0],
        key=f"explain.size.{most}",
        required=True,
    )
    st.session_state[SIZE] = chosen or sizes[0]
    return int(chosen or sizes[0])


def _result(model: Model, result: ManyExplained, key: str) -> None:
    explanation = result.explanation
    _medians(result)
    figure(
        similarity_summary(explanation.items, explanation.noise, explanation.random, dark=is_dark()),
        "explain.similarity",
    )
    st.caption(f"{_provenance(result)} {how_it_was_made(explanation)} {what_floors_say()}")
    gallery.draw(model, result, key)


def _medians(result: ManyExplained) -> None:
    """The first measure in large figures, with one sentence on what they mean."""
    explanation = result.explanation
    names, measure = measure_names(), next(iter(MEASURES))
    summary = explanation.summary()
    rows = summary[summary["measure"] == measure].set_index("group")
    columns = st.columns(5)
    titles = {
        "all": _("all items"),
        "kept": _("prediction kept"),
        "flipped": _("prediction flipped"),
        "noise floor": _("noise floor"),
        "random floor": _("random floor"),
    }
    for column, (group, title) in zip(columns, titles.items(), strict=True):
        row = rows.loc[group]
        measured = np.isfinite(row["median"])
        column.metric(
            title,
            f"{row['median']:.2f}" if measured else _("none"),
            _spread(row) if measured else "n = 0",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
    medians = rows["median"]
    if np.isfinite(medians[["all", "noise floor", "random floor"]].to_numpy(np.float64)).all():
        said = verdict(medians["all"], medians["noise floor"], medians["random floor"])
        st.markdown(
            _("{measure}, medians with quartiles, of the random floor with the range. {verdict}").format(
                measure=names[measure], verdict=said
            )
        )
    missing = rows.loc["all"]
    if missing["not_measured"]:
        st.caption(
            _("{count:,} items were not measured, mostly because {reason}.").format(
                count=int(missing["not_measured"]), reason=literal(_(str(missing["reason"])))
            )
        )


def _spread(row: pd.Series[Any] | pd.DataFrame) -> str:
    """Quartiles of the items; of the random floor the range of its draws."""
    if row["draws"] == 1:
        return f"{row['low_quartile']:.2f} – {row['high_quartile']:.2f}, n = {row['n']}"
    return _("{low:.2f} – {high:.2f}, {draws} draws").format(
        low=row["lowest"], high=row["highest"], draws=row["draws"]
    )


def _provenance(result: ManyExplained) -> str:
    return _(
        "N = {items:,} of the {all:,} items of the {split} split, drawn at random with seed {seed}; "
        "{method}; target: the class that the original predicts; measured on the pixels or features that "
        "differ from the baseline."
    ).format(
        items=len(result.chosen),
        all=result.size_of_split,
        split=_(result.split),
        seed=result.explanation.seed,
        method=label(result.explanation.method),
    )
