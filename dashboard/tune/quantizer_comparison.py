"""All quantizers side by side on the selected layer, worked out when somebody looks."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from compress_core.apply.context import items_behind
from compress_core.apply.model import Model
from compress_core.measure.tables.quantizer_rows import QuantizerRow, quantizer_rows
from compress_core.recipe.values import Step
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.technique import Stage
from dashboard import engine
from dashboard.figures.drawn import Drawn
from dashboard.figures.quantizer_levels import QuantizerLevels, quantizer_levels
from dashboard.show import figure, is_dark, kept
from dashboard.text import _, label, literal, refusal
from dashboard.tune.steps import set_step
from dashboard.tune.threshold_line import counted
from dashboard.view import View

KEY = "tune.quantizers"


def draw(view: View, model: Model) -> None:
    """All quantizers at a number of bits; nothing where the layer is left out."""
    layer = view.layer
    if layer not in model.base.by_name:
        return
    bits = int(
        st.segmented_control(
            _("Bits for each weight"), range(2, 9), default=4, key=f"{KEY}.bits", required=True
        )
        or 4
    )
    with st.spinner(_("Trying every quantizer on {layer} …").format(layer=literal(layer))):
        rows = quantizer_rows(model.base, view.recipe, layer, bits, engine.store())
    _show(model.base, layer, bits, rows, view)


def _show(base: Subject, layer: str, bits: int, rows: tuple[QuantizerRow, ...], view: View) -> None:
    made = [
        QuantizerLevels(label(row.technique), row.levels, row.bytes, row.error)
        for row in rows
        if row.levels is not None and row.bytes is not None and row.error is not None
    ]
    content = f"{base.key}:{view.recipe.sha}:{layer}:{bits}"
    figure(kept("quantizers", content, partial(_drawn, base, layer, made)), f"tune.quantizers.{layer}.{bits}")
    _table(base, layer, made)
    for_outputs = [
        row.technique
        for row in rows
        if row.error is not None and items_behind(base, [Step.of(row.technique)])
    ]
    if for_outputs:
        st.caption(
            _("{names}: rounds so that the layer's outputs stay close, so its weights may err more.").format(
                names=", ".join(map(label, for_outputs))
            )
        )
    for row in rows:
        if row.refused is not None:
            st.caption(f"{label(row.technique)}: {literal(refusal(row.refused))}")
    _take(view, layer, bits, [row.technique for row in rows if row.refused is None])


def _drawn(base: Subject, layer: str, made: list[QuantizerLevels]) -> Drawn:
    edges, counts = counted(base, base.layer(layer))
    return quantizer_levels(layer, made, counts, edges, dark=is_dark())


def _table(base: Subject, layer: str, made: list[QuantizerLevels]) -> None:
    whole = 4 * base.layer(layer).weights
    frame = pd.DataFrame(
        {
            "quantizer": [one.name for one in made],
            "levels": [len(one.levels) for one in made],
            "error": [100 * one.error for one in made],
            "bytes": [one.bytes for one in made],
            "ratio": [whole / one.bytes for one in made],
        }
    )
    number = st.column_config.NumberColumn
    st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        column_config={
            "quantizer": st.column_config.TextColumn(_("Quantizer")),
            "levels": number(_("Levels")),
            "error": number(_("Squared error (%)"), format="%.4f"),
            "bytes": number(_("Bytes"), format="localized", help=_("With tables, scales and the mask.")),
            "ratio": number(_("Smaller"), format="%.2fx"),
        },
    )


def _take(view: View, layer: str, bits: int, names: list[str]) -> None:
    choose, take = st.columns([2, 1], vertical_alignment="bottom")
    picked = choose.selectbox(_("Quantizer"), names, format_func=label, key=f"{KEY}.take.{layer}")
    take.button(
        _("Use it on this layer"),
        on_click=partial(_taken, layer, picked, bits),
        disabled=picked is None or layer in view.locked,
        width="stretch",
    )


def _taken(layer: str, technique: str, bits: int) -> None:
    step = Step.of(technique)
    if "bits" in step.method.own_knobs:
        step = Step.of(technique, bits=bits)
    set_step([layer], Stage.QUANTIZE, step, by_widget=False)
