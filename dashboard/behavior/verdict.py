"""Whether accuracy was lost, in words and in numbers."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.number import Number, about
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.metric import Metric, Shown, shown_metrics
from compress_core.measure.behavior.unanswered import unanswered_words
from compress_core.subject.split import Split
from dashboard.figures.confidence import reliability
from dashboard.figures.drawn import Drawn
from dashboard.show import number_text, said_of
from dashboard.text import _, translated


def draw(compared: Comparison, split: Split, margin: float, *, edited: bool) -> None:
    """The verdict where something was edited, then the numbers; margin in points."""
    numbers = compared.numbers
    items = _("{split} split, N = {items:,}").format(split=_(split.name), items=len(split))
    if compared.has_labels and edited:
        _say(compared, margin, items)
    shown = _tiles(compared)
    for column, metric in zip(st.columns(len(shown)), shown, strict=True):
        _tile(column, metric, numbers[metric.name])
    st.caption(_("Measured on the {items}. Intervals hold with 95 % confidence.").format(items=items))
    _say_unanswered(compared)


def _say_unanswered(compared: Comparison) -> None:
    """Items without a finite answer have no class: charts leave them out, accuracy counts them as wrong."""
    said = unanswered_words(compared.after, compared.before)
    if said is not None:
        st.warning(_(said), icon=":material/warning:")


def _tiles(compared: Comparison) -> list[Metric]:
    """The metrics that say something about these items."""
    task = compared.after.kind.task
    if compared.has_labels or compared.after.wanted is not None:
        return list(shown_metrics(Shown.TILE, task))
    return [m for m in shown_metrics(Shown.TILE | Shown.UNLABELED_TILE, task) if not m.needs_labels]


def _say(compared: Comparison, margin_points: float, items: str) -> None:
    verdict = compared.no_loss(margin_points)
    margin = f"{margin_points:g}"
    match verdict.outcome:
        case "no loss":
            text = _("Within the margin: at most {margin} points of accuracy are lost ({items}).")
            st.success(text.format(margin=margin, items=items), icon=":material/check_circle:")
        case "loss":
            text = _("Beyond the margin: more than {margin} points of accuracy are lost ({items}).")
            st.error(text.format(margin=margin, items=items), icon=":material/trending_down:")
        case "undecided":
            text = _("Undecided: these items cannot tell whether {margin} points are lost ({items}).")
            more = verdict.items_to_decide
            hint = (
                ""
                if more is None
                else " "
                + _("With about {n:,} items 9 of 10 reviews would, if shares stay as seen.").format(
                    n=about(more)
                )
            )
            st.warning(text.format(margin=margin, items=items) + hint, icon=":material/help:")
        case "not measured":
            change = compared.numbers["accuracy_change"]
            why = _(change.reason or change.no_interval or "")
            text = _("Whether accuracy was lost cannot be told. {why}").format(why=why)
            st.info(text.strip(), icon=":material/info:")


def _tile(place: st.delta_generator.DeltaGenerator, metric: Metric, number: Number) -> None:
    with place.container(border=True):
        st.caption(_(metric.title), help=translated(metric.summary))
        st.markdown(f"#### {number_text(number)}")
        st.caption(said_of(number) or " ")


def calibration(compared: Comparison, *, dark: bool) -> Drawn:
    """The reliability diagram with the calibration error of both models."""
    before = Comparison(compared.before, compared.before).numbers["ece"].value
    after = compared.numbers["ece"].value
    return reliability(compared.reliability(), ece_before=before, ece_after=after, dark=dark)
