"""All quantizers side by side on the selected layer, worked out when somebody looks."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from compress_core.apply.context import items_behind
from compress_core.apply.model import Model
from compress_core.measure.tables.prune_rows import weights_now
from compress_core.measure.tables.quantizer_rows import QuantizerRow, quantizer_rows
from compress_core.recipe.values import Step
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.technique import Stage
from dashboard import engine
from dashboard.figures.drawn import Drawn
from dashboard.figures.quantizer_levels import QuantizerLevels, quantizer_levels
from dashboard.number_table import number_table
from dashboard.show import calibration_provenance, figure, is_dark, kept, said_of
from dashboard.text import _, label, literal, refusal
from dashboard.tune.steps import set_step
from dashboard.view import View

KEY = "tune.quantizers"


def draw(view: View, model: Model) -> None:
    """All quantizers at a number of bits; nothing where the layer is left out."""
    layer = view.layer
    if layer not in model.base.by_name:
        return
    picture, numbers = st.columns([1, 1.05], gap="medium")
    bits = int(
        numbers.segmented_control(
            _("Bits for each weight"), range(2, 9), default=4, key=f"{KEY}.bits", required=True
        )
        or 4
    )
    with st.spinner(_("Trying every quantizer on {layer} …").format(layer=literal(layer))):
        rows = quantizer_rows(model.base, view.recipe, layer, bits, engine.store())
    made = [row for row in rows if row.refused is None]
    with picture:
        content = f"{model.base.key}:{view.recipe.sha}:{layer}:{bits}"
        drawn = kept("quantizers", content, partial(_drawn, model.base, layer, made))
        figure(drawn, f"tune.quantizers.{layer}.{bits}")
    with numbers:
        _table(model.base, layer, bits, made)
        _captions(model.base, rows)
        _take(view, layer, bits, [row.technique for row in made])


def _captions(base: Subject, rows: tuple[QuantizerRow, ...]) -> None:
    """Which quantizers are made for the output, why none is measured there, and what was refused."""
    errors = [row.output_error for row in rows if row.output_error is not None]
    if errors and errors[0].reason is not None:
        st.caption(_("Output error: not measured. {reason}").format(reason=literal(said_of(errors[0]))))
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


def _drawn(base: Subject, layer: str, made: list[QuantizerRow]) -> Drawn:
    bins = weights_now(base, layer, engine.store())
    levels = [
        QuantizerLevels(label(row.technique), row.levels, row.bytes, row.error)
        for row in made
        if row.levels is not None and row.bytes is not None and row.error is not None
    ]
    return quantizer_levels(layer, levels, bins.counts, bins.edges, dark=is_dark())


def taken_frame(layer: str, bits: int, made: list[QuantizerRow]) -> pd.DataFrame:
    """What each quantizer makes of the layer, errors as shares, in words that no language changes."""
    return pd.DataFrame(
        {
            "layer": layer,
            "bits": bits,
            "quantizer": [row.technique for row in made],
            "output_error": [None if row.output_error is None else row.output_error.value for row in made],
            "weight_error": [row.error for row in made],
            "bytes": [row.bytes for row in made],
            "levels": pd.array([None if row.levels is None else len(row.levels) for row in made], "Int64"),
        }
    )


def _table(base: Subject, layer: str, bits: int, made: list[QuantizerRow]) -> None:
    """A row for each quantizer; a click on a heading sorts."""
    whole = 4 * base.layer(layer).weights
    errors = [None if row.output_error is None else row.output_error.value for row in made]
    frame = pd.DataFrame(
        {
            "quantizer": [label(row.technique) for row in made],
            "output": pd.array([None if e is None else 100 * e for e in errors], dtype="Float64"),
            "error": [100 * (row.error or 0) for row in made],
            "kibibytes": [None if row.bytes is None else row.bytes / 1024 for row in made],
            "ratio": [whole / (row.bytes or 1) for row in made],
            "levels": [0 if row.levels is None else len(row.levels) for row in made],
        }
    )
    number = st.column_config.NumberColumn
    number_table(
        frame,
        f"{KEY}.{layer}.{bits}.table",
        calibration_provenance(base),
        taken=taken_frame(layer, bits, made),
        column_config={
            "quantizer": st.column_config.TextColumn(_("Quantizer")),
            "output": number(
                _("Output error (%)"),
                format="%.3f",
                help=_("Squared change of a layer's output over its squared size, on calibration items."),
            ),
            "error": number(
                _("Weight error (%)"),
                format="%.3f",
                help=_("Squared change of the weights over their size."),
            ),
            "kibibytes": number(_("Size (KiB)"), format="%.2f", help=_("With tables, scales and the mask.")),
            "ratio": number(_("Smaller"), format="%.1fx"),
            "levels": number(_("Levels")),
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
