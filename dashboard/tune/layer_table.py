"""The layer table: search, sort, lock, and the three knobs of every layer in one place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.foundation.printable import printable
from compress_core.measure.cost.cost import layer_costs, layer_frame
from compress_core.recipe.edit import step_for_layer
from compress_core.recipe.values import Step
from compress_core.techniques.contract.technique import Stage
from dashboard import engine, state
from dashboard.text import _
from dashboard.tune.sliders import as_shape
from dashboard.tune.steps import FIRST_CHOICE, set_step, sparsity_of
from dashboard.view import View

FULL_BITS = 32


def draw(view: View, model: Model) -> None:
    """The table; an edited cell changes the recipe."""
    search = st.text_input(
        _("Search"),
        key="tune.search",
        placeholder=_("part of a layer's name or kind"),
        icon=":material/search:",
    )
    frame = _frame(view, model)
    found = frame[_contains(frame, search)] if search else frame
    key = f"tune.table.{view.version}.{view.recipe.sha[:12]}.{search}"
    st.data_editor(
        found.assign(layer=found["layer"].map(printable)),
        key=key,
        hide_index=True,
        width="stretch",
        height=min(36 * (len(found) + 1) + 3, 430),
        disabled=[c for c in found.columns if c not in {"lock", "prune", "rank_set", "bits"}],
        column_config=_columns(),
        on_change=_edited,
        args=(key, list(found["layer"])),
    )
    st.caption(
        _(
            "Prune, Rank and Bits can be typed here; click a heading to sort. "
            "Rank 0 leaves a layer whole, 32 bits unquantized."
        )
    )


def _contains(frame: pd.DataFrame, search: str) -> pd.Series[bool]:
    where: pd.Series[bool] = frame["layer"].str.contains(search, case=False, regex=False) | frame[
        "kind"
    ].str.contains(search, case=False, regex=False)
    return where


def _frame(view: View, model: Model) -> pd.DataFrame:
    costs = layer_frame(model, engine.store())
    names = costs["layer"]
    prune = [step_for_layer(view.recipe, n, Stage.PRUNE) for n in names]
    quantize = [step_for_layer(view.recipe, n, Stage.QUANTIZE) for n in names]
    return pd.DataFrame(
        {
            "layer": names,
            "kind": [_(layer.label) for layer in model.subject.layers],
            "shape": _shapes(model),
            "lock": [n in view.locked for n in names],
            "prune": [100 * sparsity_of(s) for s in prune],
            "rank_set": costs["rank"].fillna(0).astype(int),
            "bits": [getattr(s.knobs, "bits", FULL_BITS) if s else FULL_BITS for s in quantize],
            "weights": [row.weights for row in layer_costs(model, engine.store())],
            "zeros": 100 * costs["sparsity"],
            "kibibytes": costs["bytes"] / 1024,
            "ratio": costs["bytes_before"] / costs["bytes"].where(costs["bytes"] > 0),
            "macs": costs["macs"],
        }
    )


def _shapes(model: Model) -> list[str]:
    """The shape of each loaded layer, and what the groups leave of it."""
    small = model.base.by_name
    said = []
    for layer in model.subject.layers:
        now = _("left out") if layer.name not in small else as_shape(small[layer.name])
        before = as_shape(layer)
        said.append(before if now == before else f"{before} → {now}")
    return said


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "layer": st.column_config.TextColumn(_("Layer"), pinned=True),
        "kind": st.column_config.TextColumn(_("Kind")),
        "shape": st.column_config.TextColumn(_("Shape")),
        "lock": st.column_config.CheckboxColumn(
            _("Lock"), help=_("A locked layer is left alone by every rule.")
        ),
        "prune": number(_("Prune (%)"), min_value=0.0, max_value=100.0, step=0.1, format="%.1f"),
        "rank_set": number(_("Rank"), min_value=0, step=1),
        "bits": st.column_config.SelectboxColumn(
            _("Bits"), options=[2, 3, 4, 5, 6, 7, 8, FULL_BITS], required=True
        ),
        "weights": number(_("Weights"), format="localized"),
        "zeros": st.column_config.ProgressColumn(_("Zeros (%)"), min_value=0, max_value=100, format="%.1f"),
        "kibibytes": number(_("Size (KiB)"), format="%.1f"),
        "ratio": number(_("Smaller"), format="%.1fx"),
        "macs": number(_("MACs"), format="compact"),
    }


def _edited(key: str, names: list[str]) -> None:
    for row, cells in st.session_state[key]["edited_rows"].items():
        for column, value in cells.items():
            _set_cell(names[int(row)], column, value)
    view = state.required()
    state.keep(replace(view, version=view.version + 1))


def _set_cell(layer: str, column: str, value: Any) -> None:
    view = state.required()
    match column:
        case "lock":
            locked = view.locked | {layer} if value else view.locked - {layer}
            state.keep(replace(view, locked=locked))
        case "prune":
            _set(layer, Stage.PRUNE, "sparsity", (value or 0) / 100, off=0)
        case "rank_set":
            _set(layer, Stage.FACTOR, "rank", int(value or 0), off=0)
        case "bits":
            _set(layer, Stage.QUANTIZE, "bits", int(value), off=FULL_BITS)


def _set(layer: str, stage: Stage, knob: str, value: float, off: float) -> None:
    """One knob of one layer; the other knobs of its step stay, a pattern yields to a share."""
    if value == off:
        set_step([layer], stage, None, by_widget=False)
        return
    before = step_for_layer(state.required().recipe, layer, stage)
    keeps = before is not None and knob in before.method.knobs.model_fields
    technique = before.technique if before is not None and keeps else FIRST_CHOICE[stage]
    others = dict(before.changed) if before is not None and keeps else {}
    others.pop("pattern", None)
    set_step([layer], stage, Step.of(technique, **{**others, knob: value}), by_widget=False)
