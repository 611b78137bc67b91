"""What the layers read, on the Weights page: zeros by channel, dead units, the peak of memory."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.apply.model import Model
from compress_core.foundation.printable import printable
from compress_core.measure.cost.peak_memory import PeakMemory, peak_memory
from compress_core.measure.tables.layer_inputs import (
    ActivationSparsity,
    activation_frame,
    activation_sparsity,
)
from dashboard import engine
from dashboard.figures.activation_maps import activations_by_channel
from dashboard.figures.words import in_bytes
from dashboard.number_table import height_of, number_table
from dashboard.show import figure, kept, left_out_text, provenance, refusals
from dashboard.text import _, literal

KEY = "weights.activations"
AT_ONCE = 10**10  # multiply-accumulates of all items: up to here it takes about a second


def activations(model: Model, *, dark: bool) -> None:
    """The section: open from the start where one pass of the calibration items is quick."""
    items = model.subject.splits.get("calibration")
    work = len(items or ()) * sum(layer.macs or 0 for layer in model.subject.layers)
    section = st.expander(
        _("Activations: what the layers read"),
        expanded=0 < work <= AT_ONCE,
        icon=":material/graphic_eq:",
        key=KEY,
        on_change="rerun",
    )
    if not section.open:
        return
    with section:
        _peaks(model)
        with refusals():
            _zeros(model, dark=dark)


def _zeros(model: Model, *, dark: bool) -> None:
    near = st.toggle(
        _("Count values near zero too"),
        key=f"{KEY}.near",
        help=_("Up to a hundredth of the root mean square of what the layer reads."),
    )
    original = Model.original(model.subject)
    with st.spinner(_("Running the calibration items …")):
        before, after = (activation_sparsity(one, engine.store()) for one in (original, model))
    left, right = st.columns(2, gap="medium")
    _heatmap(left, before, original, near=near, dark=dark, compressed=False)
    if model.is_changed:
        _heatmap(right, after, model, near=near, dark=dark, compressed=True)
    else:
        right.info(_("Here stands the compressed model, on the same scale, once something is changed."))
    _table(original, model)
    for name, reason in after.read.left_out.items():
        st.caption(left_out_text(name, reason))


def _heatmap(
    place: DeltaGenerator,
    found: ActivationSparsity,
    model: Model,
    *,
    near: bool,
    dark: bool,
    compressed: bool,
) -> None:
    with place:
        drawn = kept(
            f"activations:{near}:{compressed}",
            model.key,
            lambda: activations_by_channel(
                found.shares(near=near), found.n, compressed=compressed, near=near, dark=dark
            ),
        )
        figure(drawn, f"{KEY}.{compressed}", provenance(split="calibration", items=found.n))


def _table(original: Model, model: Model) -> None:
    """Layer by layer, before and after; what lies in a block that is left out stands below."""
    before, after = (activation_frame(one, engine.store()).set_index("layer") for one in (original, model))
    both = before.loc[before.index.isin(after.index)]
    after = after.reindex(both.index)
    frame = pd.DataFrame(
        {
            "layer": both.index.map(printable),
            "channels": both["channels"].to_numpy(),
            "channels_after": after["channels"].to_numpy(),
            "zero": 100 * both["zero"].to_numpy(float),
            "zero_after": 100 * after["zero"].to_numpy(float),
            "dead": both["dead"].to_numpy(),
            "dead_after": after["dead"].to_numpy(),
        }
    )
    number_table(
        frame,
        "weights.reads",
        provenance(split="calibration", items=len(model.subject.splits["calibration"])),
        height=height_of(len(frame), 330),
        column_config=_columns(),
    )
    gone = [name for name in before.index if name not in model.base.by_name]
    if gone:
        names = ", ".join(literal(name) for name in gone)
        st.caption(
            _("Left out with their block, so they read nothing any more: {layers}").format(layers=names)
        )


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    share: dict[str, Any] = {"min_value": 0, "max_value": 100, "format": "%.1f"}
    return {
        "layer": st.column_config.TextColumn(_("Layer"), pinned=True),
        "channels": number(_("Channels read")),
        "channels_after": number(_("compressed")),
        "zero": st.column_config.ProgressColumn(_("Zeros (%)"), **share),
        "zero_after": st.column_config.ProgressColumn(_("compressed (%)"), **share),
        "dead": number(
            _("Dead units"), help=_("Channels that are zero on every calibration item: their makers can go.")
        ),
        "dead_after": number(_("compressed, dead")),
    }


def _peaks(model: Model) -> None:
    """Memory of the activations of one item, original and compressed."""
    before, after, words = st.columns([1, 1, 2], gap="medium", vertical_alignment="center")
    _peak(
        before,
        _("Peak activation memory, original"),
        peak_memory(Model.original(model.subject), engine.store()),
    )
    _peak(after, _("Peak activation memory, compressed"), peak_memory(model, engine.store()))
    words.caption(
        _(
            "The most bytes that the results of one item (batch 1) take at the same time, as torch runs it. "
            "Zeros do not make it smaller; cutting channels does."
        )
    )


def _peak(place: DeltaGenerator, title: str, peak: PeakMemory) -> None:
    value = peak.bytes.value
    place.metric(title, _("not measured") if value is None else in_bytes(value))
    if peak.module:
        place.caption(_("reached in {module}").format(module=literal(peak.module)))
