"""The three knobs of one layer, side by side: prune, rank and bits, each with its technique."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import streamlit as st

from compress_core.apply.model import Model
from compress_core.measure.tables.knob_tables import rank_table
from compress_core.measure.tables.prune_rows import weights_now
from compress_core.network.layers.kinds import Layer
from compress_core.recipe.values import Step
from compress_core.selection.patterns import NOfM
from compress_core.selection.select import Selection
from compress_core.techniques.contract.technique import Stage, technique_named
from dashboard import engine, group_search, state
from dashboard.bound_widget import beside, by_hand, refused_beside, showing
from dashboard.knob_form import knob_form
from dashboard.limits_box import locked_note
from dashboard.link_limits import CONTROLS, limits
from dashboard.live_slider.live_slider import live_slider
from dashboard.live_slider.live_table import Histogram, LiveTable
from dashboard.show import refusals
from dashboard.text import _, label, literal, translated
from dashboard.tune import bits_knob, prune_knob, rank_knob
from dashboard.tune.held_by_link import FAMILIES
from dashboard.tune.knob_of_layer import KnobOfLayer
from dashboard.tune.steps import MAIN_KNOB, change_step, idle_choices, names_of, otherwise, with_knob
from dashboard.tune.threshold_line import caption
from dashboard.view import View

NONE = ""
KNOBS = MappingProxyType(
    {Stage.PRUNE: prune_knob.draw, Stage.FACTOR: rank_knob.draw, Stage.QUANTIZE: bits_knob.draw}
)


def draw(view: View, model: Model, name: str) -> None:
    """Three columns: prune, rank, bits of a layer as the groups and preparations leave it."""
    base = model.base
    if name not in base.by_name:
        st.info(
            _("{layer} lies in a block that is left out, so it has nothing to set.").format(
                layer=literal(name)
            ),
            icon=":material/content_cut:",
        )
        return
    layer = base.layer(name)
    if name in base.problems:
        _broken(model, layer)
        return
    found = limits()
    shown = [family for family in FAMILIES if family not in found.hidden]
    for column, family in zip(st.columns(max(1, len(shown)), gap="small"), shown, strict=False):
        stage = FAMILIES[family]
        is_held = family in found.locked or name in found.held(model.subject.by_name)
        with column.container(border=True, gap="small", key=f"tune_knob_{stage.name.lower()}"), refusals():
            if is_held:
                locked_note()
            _knob(KnobOfLayer(view, model, layer, stage, family in found.locked), _(CONTROLS[family].title))
    loaded = model.subject.layer(name)
    if layer.kernel_shape != loaded.kernel_shape:
        st.caption(
            _(
                "{layer} is {now} after the groups were cut, {before} as loaded; all above is about {now}."
            ).format(layer=literal(name), now=as_shape(layer), before=as_shape(loaded))
        )


def as_shape(layer: Layer) -> str:
    """The shape of a layer's kernel, as people write it."""
    return "x".join(map(str, layer.kernel_shape))


def _knob(place: KnobOfLayer, title: str) -> None:
    box = f"{place.key}.technique"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", wrap=False):
        st.selectbox(
            title,
            [NONE, *names_of(place.stage)],
            format_func=lambda n: label(n) if n else _("none"),
            key=showing(box, place.step.technique if place.step else NONE),
            on_change=by_hand(box, _technique_chosen, place.layer.name, place.stage, box),
            disabled=place.is_locked,
        )
        with st.popover(_("More"), key=f"{place.key}.more", width="content"):
            _other_knobs(place)
    beside(box)
    KNOBS[place.stage](place)
    beside(place.slider)


def _technique_chosen(layer: str, stage: Stage, box: str) -> None:
    chosen = st.session_state[box]
    with refused_beside(box, chosen):
        change_step(layer, stage, lambda before: _chosen(before, chosen, layer))


def _chosen(before: Step | None, technique: str, layer: str) -> Step | None:
    if technique == NONE:
        return None
    return otherwise(layer, before, technique) if before else _starting_step(technique, layer)


def _starting_step(technique: str, layer: str) -> Step:
    if technique_named(technique).stage is not Stage.FACTOR:
        return Step.of(technique)
    if "rank" not in technique_named(technique).knobs.model_fields:
        return Step.of(technique, choose="bytes")
    rows = rank_table(group_search.model_of_view(state.required()).base, layer, engine.store(), technique)
    return Step.of(technique, rank=max(1, rows.break_even // 2))


def _other_knobs(place: KnobOfLayer) -> None:
    """What the technique is, and every knob of it that is no slider."""
    step = place.step
    if step is None:
        st.caption(_("Choose a technique, or move the slider."))
        return
    st.markdown(literal(translated(step.method.summary)))
    hidden = {MAIN_KNOB[place.stage]} if place.stage is not Stage.FACTOR or place.has_main_knob else set()
    found = knob_form(
        step.knobs,
        without=frozenset(hidden | _without_meaning(step)),
        key=place.key,
        on_change=partial(_knob_moved, place.layer.name, place.stage),
        disabled=place.is_locked,
    )
    if not found:
        st.caption(_("This technique has no other knobs."))


def _without_meaning(step: Step) -> set[str]:
    """Knobs that another knob's value has made idle."""
    if isinstance(step.knobs, Selection) and isinstance(step.pattern, NOfM):
        return {"sparsity", "scope"}
    return idle_choices(step) if step.stage is Stage.FACTOR else set()


def _knob_moved(layer: str, stage: Stage, name: str, value: Any) -> None:
    change_step(layer, stage, lambda before: None if before is None else with_knob(before, name, value))


def _broken(model: Model, layer: Layer) -> None:
    """A layer with weights that are no number cannot be set: it says so and shows the rest of them."""
    st.warning(
        _(
            "Layer {layer} is NaN or infinite in {count} of its weights, so nothing can be set here. "
            "All other layers can be edited."
        ).format(layer=literal(layer.name), count=model.base.problems[layer.name]),
        icon=":material/block:",
    )
    bins = weights_now(model.base, layer.name, engine.store())
    live_slider(
        _("Weights removed"),
        LiveTable(np.zeros(1)),
        value=0.0,
        key=f"tune.{layer.name}.broken",
        histogram=Histogram(
            bins.edges,
            bins.counts,
            _("Weights of this layer that are finite numbers"),
            [np.empty(0)],
            caption=caption(bins),
            axis=_("weight"),
        ),
        disabled=True,
    )
