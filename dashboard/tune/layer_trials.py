"""Which layer bears it: one step tried on each layer alone, without changing the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.decide.family import Family
from compress_core.foundation.printable import printable
from compress_core.measure.tables.layers_alone import LayerAlone, each_layer_alone
from compress_core.recipe.values import Step
from compress_core.techniques.contract.technique import Stage, techniques
from dashboard import engine, state
from dashboard.figures.words import percent
from dashboard.number_table import height_of, number_table
from dashboard.show import calibration_provenance
from dashboard.text import _, current_language, label, literal, refusal
from dashboard.tune.recipe_words import before_weights
from dashboard.tune.steps import FIRST_CHOICE, MAIN_KNOB, names_of
from dashboard.view import View
from dashboard.which_layer_bears import by_answers

KEY = "tune.alone"
BITS, PRUNE = "bits", "prune"
STAGES = {BITS: Stage.QUANTIZE, PRUNE: Stage.PRUNE}
NAMED = 3


def draw(view: View, model: Model) -> None:
    """What to try in one row, and a table with a row for each layer; a click on a row selects its layer."""
    st.caption(
        _(
            "Each layer is tried alone, all others stay {as_they_are}, and the recipe stays as it is. "
            "Output error: squared change of the layer's output over its squared size, on calibration items."
        ).format(as_they_are=before_weights(model.recipe))
    )
    step, family = _step()
    names = [layer.name for layer in model.base.layers]
    rows = _tried(model, names, step)
    _say(rows)
    by_answers(family)
    st.caption(
        _(
            "Ordered by output error, the smallest first. A tick selects that layer above; now {layer}."
        ).format(layer=literal(view.layer))
    )
    chosen = number_table(
        _frame(model, rows),
        KEY,
        calibration_provenance(model.base),
        taken=taken_frame(step, rows),
        key=f"{KEY}.table.{model.base.key[:12]}.{step.technique}.{step.changed}",
        height=height_of(len(rows), 400),
        column_config=_columns(),
        on_select="rerun",
        selection_mode="single-row",
    )
    for row in chosen.selection.rows[:1]:
        if rows[row].layer != view.layer:
            state.keep(replace(state.required(), layer=rows[row].layer))
            st.rerun()
    for row in rows:
        if row.refused is not None:
            st.caption(f"{literal(row.layer)}: {literal(refusal(row.refused))}")


def _step() -> tuple[Step, Family]:
    """What is tried, a technique and how many bits or which share; and what of a scan that is."""
    what, how, value = st.columns([1.2, 1.5, 3], gap="medium", vertical_alignment="bottom")
    kind = (
        what.segmented_control(
            _("Try"),
            list(STAGES),
            default=BITS,
            format_func=label,
            key=f"{KEY}.kind.{current_language()}",
            required=True,
        )
        or BITS
    )
    stage = STAGES[kind]
    choices = [name for name in names_of(stage) if MAIN_KNOB[stage] in techniques()[name].knobs.model_fields]
    technique = how.selectbox(
        _("Technique"),
        choices,
        choices.index(FIRST_CHOICE[stage]),
        format_func=label,
        key=f"{KEY}.technique.{kind}.{current_language()}",
    )
    with value:
        if kind == PRUNE:
            percents = st.slider(_("Prune"), 0.5, 99.5, 50.0, 0.5, format="%.1f %%", key=f"{KEY}.share")
            return Step.of(technique, sparsity=round(percents / 100, 6)), Family.PRUNE
        bits = st.segmented_control(
            _("Bits for each weight"), range(2, 9), default=4, key=f"{KEY}.bits", required=True
        )
        return Step.of(technique, bits=int(bits or 4)), Family.BITS


def _tried(model: Model, names: Sequence[str], step: Step) -> list[LayerAlone]:
    """A row for each layer, the smallest output error first; how far it is stands meanwhile."""
    place = st.empty()
    rows = []
    for row in each_layer_alone(model.base, names, step, engine.store()):
        rows.append(row)
        said = _("Trying {layer} …").format(layer=literal(row.layer))
        place.progress(len(rows) / len(names), said)
    place.empty()
    return sorted(rows, key=lambda row: (row.output_error.value is None, row.output_error.value or 0))


def _say(rows: Sequence[LayerAlone]) -> None:
    """The layers at both ends in words; why there is no output error where none is measured."""
    known = [row for row in rows if row.output_error.value is not None]
    if not known:
        reason = next((row.output_error.reason for row in rows if row.output_error.reason), None)
        if reason is not None:
            st.info(_("Output error: not measured. {reason}").format(reason=literal(_(reason))))
        return
    st.markdown(
        _("Bear it best by output error, which is not accuracy: {best}. Worst: {worst}.").format(
            best=_listed(known[:NAMED]), worst=_listed(known[: -NAMED - 1 : -1])
        )
    )


def _listed(rows: Sequence[LayerAlone]) -> str:
    return ", ".join(f"{literal(row.layer)} {percent(row.output_error.value or 0, 3)}" for row in rows)


def _frame(model: Model, rows: Sequence[LayerAlone]) -> pd.DataFrame:
    errors = [row.output_error.value for row in rows]
    layers = [model.base.layer(row.layer) for row in rows]
    return pd.DataFrame(
        {
            "layer": [printable(row.layer) for row in rows],
            "kind": [_(layer.label) for layer in layers],
            "output": pd.array([None if e is None else 100 * e for e in errors], dtype="Float64"),
            "weight": pd.array(
                [None if row.weight_error is None else 100 * row.weight_error for row in rows],
                dtype="Float64",
            ),
            "before": [row.bytes_before for row in rows],
            "bytes": pd.array([row.bytes for row in rows], dtype="Int64"),
        }
    )


def taken_frame(step: Step, rows: Sequence[LayerAlone]) -> pd.DataFrame:
    """What was tried and what came of it, errors as shares, in words that no language changes."""
    return pd.DataFrame(
        {
            "layer": [row.layer for row in rows],
            "step": str(step.as_json()),
            "output_error": [row.output_error.value for row in rows],
            "weight_error": [row.weight_error for row in rows],
            "bytes_before": [row.bytes_before for row in rows],
            "bytes": pd.array([row.bytes for row in rows], dtype="Int64"),
            "note": [_why_not(row) for row in rows],
        }
    )


def _why_not(row: LayerAlone) -> str:
    return str(row.refused or row.output_error.reason or "")


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "layer": st.column_config.TextColumn(_("Layer"), pinned=True),
        "kind": st.column_config.TextColumn(_("Kind")),
        "output": number(_("Output error (%)"), format="%.4f"),
        "weight": number(
            _("Weight error (%)"), format="%.4f", help=_("Squared change of the weights over their size.")
        ),
        "before": number(_("Size before (bytes)"), format="localized"),
        "bytes": number(_("Size (bytes)"), format="localized"),
    }
