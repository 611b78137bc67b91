"""All models so far: two measures with the front, then a table, their lineage, or every measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.decide.pareto import pareto_front
from compress_core.foundation.texts import N_
from dashboard.bound_widget import by_hand, showing
from dashboard.figures.measures import Measure, measured, values_of
from dashboard.figures.pareto_scatter import pareto_scatter
from dashboard.shared_choice import SharedChoice
from dashboard.show import figure, is_dark
from dashboard.text import _
from dashboard.trade_offs import (
    every_measure,
    known_models,
    lineage_view,
    model_list,
    picked_models,
    picked_panel,
)

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from dashboard.view import View

TITLE = N_("All models")
ORDER = 10
FIGURE = "trade_offs.scatter"
_ACROSS, _UP, _BELOW = "trade_offs.across", "trade_offs.up", "trade_offs.below"
BELOW = {
    "table": (N_("Table"), model_list.draw),
    "lineage": (N_("Lineage"), lineage_view.draw),
    "measures": (N_("Every measure"), every_measure.draw),
}


def _word(text: str) -> str | None:
    return text if text.replace("_", "").isalnum() else None


ACROSS: SharedChoice[str] = SharedChoice("across", "", _word)
UP: SharedChoice[str] = SharedChoice("up", "", _word)
SHOWN: SharedChoice[str] = SharedChoice("below", "table", lambda text: text if text in BELOW else None)
YES, NO = "yes", "no"
BEATEN: SharedChoice[str] = SharedChoice("beaten", YES, lambda text: text if text in {YES, NO} else None)
SEEDS: SharedChoice[str] = SharedChoice("seeds", YES, lambda text: text if text in {YES, NO} else None)


def draw(view: View, model: Model) -> None:
    """The figure with the front, what was picked beside it, and one of three ways to look at all of them."""
    known_models.note_open_model(view, model)
    models = known_models.known_models(model.subject)
    offered = measured(models)
    if len(offered) < 2:
        said = _("Nothing has been measured yet: numbers come while you look at models.")
        st.info(said, icon=":material/hourglass:")
        return
    across, up = _measures(offered)
    apart = models.assign(runs=1)
    runs = known_models.by_seed(model.subject, models) if SEEDS.chosen() == YES else apart
    left, right = st.columns([7, 3.4], gap="medium")
    with left:
        _scatter(runs, across, up, model)
    with right:
        picked_panel.draw(models, model.key)
    st.segmented_control(
        _("All of them as"),
        list(BELOW),
        format_func=lambda name: _(BELOW[name][0]),
        key=showing(_BELOW, SHOWN.chosen()),
        on_change=by_hand(_BELOW, lambda: SHOWN.choose(st.session_state[_BELOW])),
        required=True,
        label_visibility="collapsed",
    )
    # A tree of runs together would miss the parents of those left out.
    BELOW[SHOWN.chosen()][1](apart if SHOWN.chosen() == "lineage" else runs, offered, up, model.key)


def _measures(offered: Sequence[Measure]) -> tuple[Measure, Measure]:
    """What stands across and up, and what is left out."""
    by_name = {measure.name: measure for measure in offered}
    across_place, up_place, beaten, seeds = st.columns([2, 2, 1.6, 1.8], vertical_alignment="bottom")
    chosen = []
    for place, title, key, choice, usual in (
        (across_place, _("Across"), _ACROSS, ACROSS, ("packed_bytes", "bytes")),
        (
            up_place,
            _("Up"),
            _UP,
            UP,
            ("accuracy", "mean_absolute_error", "cosine_to_original", "kl", "churn"),
        ),
    ):
        wish = [name for name in (choice.chosen(), *usual, *by_name) if name in by_name]
        place.selectbox(
            title,
            list(by_name),
            format_func=lambda name: by_name[name].axis,
            key=showing(key, wish[0]),
            on_change=by_hand(key, _choose, key, choice),
        )
        chosen.append(by_name[wish[0]])
    _switch(beaten, _("Include dominated"), BEATEN, _("Models that another one beats in both."))
    said = _("Runs that differ by their seed alone are one point: their mean, from lowest to highest.")
    _switch(seeds, _("Seeds together"), SEEDS, said)
    return chosen[0], chosen[1]


def _choose(key: str, choice: SharedChoice[str]) -> None:
    choice.choose(st.session_state[key])


def _switch(place: DeltaGenerator, title: str, choice: SharedChoice[str], said: str) -> None:
    key = f"trade_offs.{choice.name}"
    place.toggle(
        title,
        key=showing(key, choice.chosen() == YES),
        help=said,
        on_change=by_hand(key, lambda: choice.choose(YES if st.session_state[key] else NO)),
    )


def _scatter(models: pd.DataFrame, across: Measure, up: Measure, model: Model) -> None:
    front = pareto_front(values_of((across, up), models), (across.direction, up.direction))
    drawn = pareto_scatter(
        models,
        across,
        up,
        front,
        letters=picked_models.letters(models),
        here=model.key,
        items=known_models.items_said(model.subject),
        with_dominated=BEATEN.chosen() == "yes",
        dark=is_dark(),
    )
    keys = list(models["key"])
    of = known_models.provenance_of(model.subject)
    figure(drawn, FIGURE, of, on_click=lambda: picked_models.toggle_clicked(FIGURE, keys))
