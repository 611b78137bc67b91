"""Many items: a job, its progress, and what it found; the last result stays until there is a new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from compress_core.foundation.number import fixed
from compress_core.measure.behavior.flips import Flips
from compress_core.measure.explain.attribution import AttributionMethod
from compress_core.measure.explain.similarity import MEASURES
from compress_core.tasks.explain_items import MOST_ITEMS, ManyExplained
from dashboard.explain import choice, gallery
from dashboard.explain.asked_words import what_all_are_asked
from dashboard.explain.explain_job import explain_job
from dashboard.explain.plain_words import how_it_was_made, verdict, what_bounds_say
from dashboard.figures.similarity_summary import measure_names, similarity_summary
from dashboard.flip_words import flips_text
from dashboard.page_job import LastResult
from dashboard.show import figure, is_dark, provenance
from dashboard.text import _, label, literal
from dashboard.view import View

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.measure.behavior.compare import Comparison
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject

SIZES = (64, 256)
WHICH = "explain.which"
SHOWN = "slimscope.explain.shown"
SIZE = "slimscope.explain.size"


def draw(
    view: View,
    model: Model,
    split: Split,
    method: AttributionMethod,
    comparison: Comparison,
    value: int | None = None,
) -> None:
    """Choose which and how many, start, watch; then the figure and the gallery of the worst items.

    value: which of a model's real numbers is explained.
    """
    st.subheader(_("Over many items"))
    chosen_from = [2.2] if model.subject.answers.has_classes else []
    *which, place, button = st.columns([*chosen_from, 1.6, 1.4], vertical_alignment="bottom")
    only = _which(which[0], model.subject) if which else None
    count = len(split) if only is None else len(only.of(comparison.changed_items()))
    if count == 0:
        st.caption(_("No item of the {split} split changed in this way.").format(split=_(split.name)))
        return
    items = _size(place, count, flips=only is not None)
    work = explain_job(model, split, method, items, only, view.seed, value)
    work.button(
        button, view, label=work.title, icon=":material/play_arrow:", key="explain.many", type="primary"
    )
    work.follow()
    last = work.last_result(SHOWN)
    if last is None:
        st.caption(
            _(
                "One item can mislead. Over many, the medians say how far the model has moved; "
                "this runs beside the page and can be cancelled."
            )
        )
        return
    if last.is_stale:
        _stale(view, last, model.subject)
    _result(model, last)


def _stale(view: View, last: LastResult[ManyExplained], subject: Subject) -> None:
    last.mark(
        view,
        _(
            "An older result: {method}, {items:,} items ({which}), recipe {recipe}. "
            "Start it again for what is set now."
        ).format(
            method=label(last.knobs["method"]),
            items=last.knobs["items"],
            which=literal(_name(last.result.only, subject)),
            recipe=last.recipe,
        ),
    )


def _which(place: st.delta_generator.DeltaGenerator, subject: Subject) -> Flips | None:
    """All items, all that changed, or those that came from Behavior."""
    only = choice.explained_only()
    choices = list(dict.fromkeys([None, Flips(), only]))
    st.session_state[WHICH] = choices.index(only)
    place.segmented_control(
        _("Which items"),
        range(len(choices)),
        format_func=lambda place: literal(_name(choices[place], subject)),
        key=WHICH,
        on_change=lambda: choice.explain_only(choices[st.session_state[WHICH]]),
        required=True,
    )
    return only


def _name(only: Flips | None, subject: Subject) -> str:
    return _("all items") if only is None else flips_text(only, subject)


def _size(place: st.delta_generator.DeltaGenerator, most: int, *, flips: bool) -> int:
    """How many; of flips all are usual, since they are few."""
    sizes = sorted({min(size, most) for size in (*SIZES, *([MOST_ITEMS] if flips else []))})
    usual = sizes[-1] if flips else sizes[0]
    wish = st.session_state.get(SIZE, usual)
    chosen = place.segmented_control(
        _("How many items, drawn at random"),
        sizes,
        default=usual if flips or wish not in sizes else wish,
        key=f"explain.size.{most}.{flips}",
        required=True,
    )
    if not flips:
        st.session_state[SIZE] = chosen or usual
    return int(chosen or usual)


def _result(model: Model, last: LastResult[ManyExplained]) -> None:
    result = last.result
    explanation = result.explanation
    _medians(result)
    figure(
        similarity_summary(explanation.items, explanation.noise, explanation.random, dark=is_dark()),
        "explain.similarity",
        provenance(split=result.split, items=len(result.chosen), lineage=last.lineage),
    )
    made = how_it_was_made(explanation, of_words=model.subject.input.is_text)
    st.caption(f"{_provenance(result, model.subject)} {made} {what_bounds_say()}")
    gallery.draw(model, result, last.job.key)


def _medians(result: ManyExplained) -> None:
    """The first measure in large figures, with one sentence on what they mean."""
    explanation = result.explanation
    names, measure = measure_names(), next(iter(MEASURES))
    summary = explanation.summary()
    rows = summary[summary["measure"] == measure].set_index("group")
    titles = {
        "all": _("all items"),
        "kept": _("prediction kept"),
        "flipped": _("prediction flipped"),
        "noise ceiling": _("noise ceiling"),
        "random floor": _("random floor"),
    }
    there = {group: title for group, title in titles.items() if group in rows.index}
    for column, (group, title) in zip(st.columns(len(there)), there.items(), strict=True):
        row: dict[str, Any] = dict(rows.loc[group])
        measured = np.isfinite(row["median"])
        column.metric(
            title,
            fixed(row["median"]) if measured else _("none"),
            _spread(row) if measured else "n = 0",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
    medians = rows["median"]
    if np.isfinite(medians[["all", "noise ceiling", "random floor"]].to_numpy(np.float64)).all():
        said = verdict(medians["all"], medians["noise ceiling"], medians["random floor"])
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


def _spread(row: Mapping[str, Any]) -> str:
    """Quartiles of the items; of the random floor the range of its draws."""
    if row["draws"] == 1:
        return f"{fixed(row['low_quartile'])} – {fixed(row['high_quartile'])}, n = {row['n']}"
    return _("{low} – {high}, {draws} draws").format(
        low=fixed(row["lowest"]), high=fixed(row["highest"]), draws=row["draws"]
    )


def _provenance(result: ManyExplained, subject: Subject) -> str:
    said = (
        _(
            "N = {items:,} of the {all:,} items of the {split} split, drawn at random with seed {seed}; "
            "{method}; target: {asked}; measured on the pixels or features that differ from the baseline."
        )
        if result.only is None
        else _(
            "N = {items:,} of the {all:,} items of the {split} split that changed ({which}), seed {seed}; "
            "{method}; target: {asked}; measured on the pixels or features that differ from the baseline."
        )
    )
    if subject.input.is_text:
        said = (
            _(
                "N = {items:,} of the {all:,} items of the {split} split, drawn at random with seed "
                "{seed}; {method}; target: {asked}; measured on the words that are there."
            )
            if result.only is None
            else _(
                "N = {items:,} of the {all:,} items of the {split} split that changed ({which}), seed "
                "{seed}; {method}; target: {asked}; measured on the words that are there."
            )
        )
    return said.format(
        items=len(result.chosen),
        all=result.drawn_from,
        which=literal(_name(result.only, subject)),
        split=_(result.split),
        seed=result.explanation.seed,
        method=label(result.explanation.method),
        asked=literal(what_all_are_asked(subject, result.explanation.value)),
    )
