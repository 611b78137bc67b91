"""The layer table: which layer is looked at, and the three knobs of every layer in one place."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping
from dataclasses import replace
from functools import partial

import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.measure.tables.layer_numbers import layer_frame
from compress_core.measure.tables.output_errors import error_of_output, layers_to_measure
from dashboard import engine, state
from dashboard.layer_list.layer_list import Chosen, Locked, Message, Typed, layer_list
from dashboard.link_limits import limits
from dashboard.show import calibration_provenance, csv_button
from dashboard.text import _
from dashboard.tune import cell_edits
from dashboard.tune.table_rows import layer_rows
from dashboard.view import View

AT_A_TIME = 4  # layers whose outputs are measured before the table is drawn anew


def draw(view: View, model: Model) -> None:
    """The table; a click selects a layer, what is typed into a cell changes the recipe."""
    waiting = _waiting(view, model)
    rows = layer_rows(view, model, _errors(model, waiting))
    layer_list(
        rows,
        chosen=view.layer,
        key=f"tune.table.{view.model}",
        footnote=_footnote(model, is_scanned=any(row.sensitivity is not None for row in rows)),
        on_message=partial(_heard, view.model),
        recipe=view.recipe.sha,
        hidden=limits().hidden,
        held=limits().locked,
    )
    if waiting:  # below the table, which so stands in one place whether or not there is something to wait for
        st.fragment(_until_measured, run_every=engine.ASK_EVERY_S)(model, waiting[:AT_A_TIME], _owner(view))


def _footnote(model: Model, *, is_scanned: bool) -> str:
    """On which items the measured columns were measured."""
    items = model.base.splits.get("calibration")
    said = (
        _("not measured: the model has no calibration items")
        if items is None
        else _("measured on N = {items:,} calibration items, with what each layer reads uncompressed").format(
            items=len(items)
        )
    )
    if not is_scanned:
        return said
    worst = _(
        "sensitivity: the worst of fewer weights, channels, rank and bits, each alone, on validation items"
    )
    return f"{said}; {worst}"


def download(model: Model) -> None:
    """The table as a file, with every number of each layer; what is not measured yet is measured for it."""
    of = calibration_provenance(model.base)
    csv_button(st.container(width="content"), "tune.layers", partial(_taken, model), of, width="content")


def _taken(model: Model) -> pd.DataFrame:
    return layer_frame(model, engine.store())


def _heard(model: str, message: Message) -> None:
    """Do what was done in the table of a model, as long as the visitor is at it."""
    if state.required().model != model:
        return
    match message:
        case Chosen(layer):
            state.keep(replace(state.required(), layer=layer))
        case Locked(layer, is_locked):
            cell_edits.lock(layer, is_locked)
        case Typed(layer, column, text):
            cell_edits.enter(layer, column, text)


def _waiting(view: View, model: Model) -> tuple[str, ...]:
    """The layers whose outputs are not measured yet, after a moment's patience for all of them together."""
    waiting, until = layers_to_measure(model, engine.store()), time.monotonic() + engine.AT_ONCE_S
    while first := waiting[:AT_A_TIME]:
        left = max(0.0, until - time.monotonic())
        if not engine.outputs_measured_within(left, model, first, _owner(view)):
            break
        waiting = waiting[AT_A_TIME:]
    return waiting


def _owner(view: View) -> str:
    return view.model if view.model.startswith(state.USER_MODEL) else ""


def _errors(model: Model, waiting: Container[str]) -> Mapping[str, Number | None]:
    """The error of each layer's output; None while it is being measured, which draws the page anew later."""
    return {
        layer.name: None if layer.name in waiting else error_of_output(model, layer.name, engine.store())
        for layer in model.subject.layers
    }


def _until_measured(model: Model, layers: tuple[str, ...], owner: str) -> None:
    """Draws nothing; once these layers are measured, the page is drawn with them."""
    if engine.outputs_measured_within(0, model, layers, owner):
        st.rerun()
