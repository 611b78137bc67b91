"""The parts of the Weights page: which layer, its inside with zoom, histograms, errors, spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import streamlit as st

from compress_core.apply.model import CompressedLayer, Model
from compress_core.apply.views.weight_view import derive
from compress_core.foundation.printable import printable
from compress_core.measure.tables.layer_weights import LayerWeights
from dashboard import engine, state
from dashboard.figures.bytes_by_item import Bytes, bytes_by_item
from dashboard.figures.drawn import Drawn, clicked
from dashboard.figures.layer_inside import sparsity_within
from dashboard.figures.reduce import ZoomWindow, binned, shared_edges
from dashboard.figures.spectrum import spectrum
from dashboard.figures.weight_histograms import error_by_channel, weight_histograms
from dashboard.show import figure, kept, refusals
from dashboard.text import _, literal, translated
from dashboard.view import View

WINDOW = "slimscope.weights.window"


def points_of(event: object) -> list[dict[str, Any]]:
    """The points that a visitor clicked in a figure."""
    selection = cast("Any", event).get("selection") if hasattr(event, "get") else None
    return list(selection.get("points", [])) if selection else []


def after_click(event: object, names: Sequence[str]) -> None:
    """A click on a cell of the overview opens its layer."""
    for point in points_of(event)[:1]:
        place = clicked(point)
        view = state.required()
        if place and names[place[0]] != view.layer:
            _open_layer(view, names[place[0]])
            st.rerun()


def _open_layer(view: View, name: str) -> None:
    state.keep(replace(view, layer=name))
    st.session_state.pop(WINDOW, None)


def chosen_layer(view: View) -> str:
    """The layer shown below: chosen here, on Tune, or by a click."""
    names = list(state.subject(view).by_name)
    key = f"weights.layer.{view.layer}"
    picked = st.selectbox(_("Layer"), names, names.index(view.layer), format_func=printable, key=key)
    if picked != view.layer:
        _open_layer(view, picked)
        st.rerun()  # the box is named by the layer: else every second pick would be lost
    return picked


def sizes(model: Model, *, dark: bool) -> Drawn:
    """Bytes by item, original against compressed."""
    original = Model.original(model.subject)
    return bytes_by_item(_bytes(original), _bytes(model), dark=dark)


def _bytes(model: Model) -> Bytes:
    bits = model.bits
    header = model.file_bytes - bits.total // 8
    return Bytes(bits.values // 8, bits.positions // 8, bits.tables // 8, header)


def detail(weights: LayerWeights, model: Model, *, dark: bool) -> None:
    """One layer: where its zeros are, its values before and after, its channels, its spectrum."""
    name = weights.layer.name
    seen, is_cut = f"{model.key}:{name}", model.base is not model.subject
    _notes(weights)
    left, right = st.columns(2, gap="medium")
    with left:
        _inside(weights, seen, dark=dark)
        error = kept(
            "error",
            seen,
            lambda: error_by_channel(name, weights.error, after_cuts=is_cut, dark=dark),
        )
        figure(error, f"weights.error.{name}")
    with right:
        log_counts = st.toggle(_("Count on a logarithmic scale"), key="weights.log")
        drawn = kept(
            f"histogram:{log_counts}", seen, lambda: _histograms(weights, log_counts=log_counts, dark=dark)
        )
        figure(drawn, f"weights.histogram.{name}")
        small = model.base.by_name.get(name)
        if small is not None and small.highest_rank > 1:
            with refusals():
                drawn = kept("spectrum", seen, lambda: _spectrum(weights, model, dark=dark))
                figure(drawn, f"weights.spectrum.{name}")


def _notes(weights: LayerWeights) -> None:
    """What to know before looking: values that can't be drawn, and what the figures count."""
    name = literal(weights.layer.name)
    for note in weights.notes:
        st.warning(literal(translated(note)), icon=":material/error:")
    if weights.is_left_out:
        st.info(
            _("{layer} lies in a block that is left out: nothing of it is there any more.").format(
                layer=name
            ),
            icon=":material/content_cut:",
        )
    elif weights.cut:
        st.caption(
            _(
                "{cut:,} of the {weights:,} weights of {layer} were cut out with their channels. They are "
                "gray in the map and counted nowhere as zeros: shares are those of the {left:,} that are "
                "left."
            ).format(cut=weights.cut, weights=weights.present.size, layer=name, left=weights.left)
        )
    if weights.rank is not None:
        st.caption(
            _(
                "{layer} is stored as factors, at the narrowest of rank {rank}. All figures show their "
                "product, which is what the layer applies; bytes and the shares on Tune are those of the "
                "factors."
            ).format(layer=name, rank=weights.rank)
        )


def _inside(weights: LayerWeights, seen: str, *, dark: bool) -> None:
    stored = st.session_state.get(WINDOW)
    window = stored[1] if stored and stored[0] == weights.layer.name else None
    st.button(
        _("Whole layer"),
        icon=":material/zoom_out_map:",
        disabled=window is None,
        on_click=lambda: st.session_state.pop(WINDOW, None),
        key="weights.whole",
    )
    name = weights.layer.name
    drawn = kept(
        f"inside:{window}",
        seen,
        lambda: sparsity_within(name, weights.nonzero, present=weights.present, window=window, dark=dark),
    )
    event = figure(drawn, f"weights.inside.{weights.layer.name}.{window}", selectable=True)
    for point in points_of(event)[:1]:
        place = clicked(point)
        if len(place) == 4 and place != _corners(window):
            st.session_state[WINDOW] = (
                weights.layer.name,
                _around(ZoomWindow(*place), weights.after.shape),
            )
            st.rerun()


def _corners(window: ZoomWindow | None) -> tuple[int, ...]:
    return () if window is None else (window.top, window.bottom, window.left, window.right)


def _around(window: ZoomWindow, shape: tuple[int, ...]) -> ZoomWindow:
    """A block with its neighbors, at least 32 weights wide."""
    rows, columns = max(32, 8 * (window.bottom - window.top)), max(32, 8 * (window.right - window.left))
    top = int(np.clip((window.top + window.bottom - rows) // 2, 0, max(0, shape[0] - rows)))
    left = int(np.clip((window.left + window.right - columns) // 2, 0, max(0, shape[1] - columns)))
    return ZoomWindow(top, top + rows, left, left + columns)


def _histograms(weights: LayerWeights, *, log_counts: bool, dark: bool) -> Drawn:
    before, after = weights.before.reshape(-1), weights.after[weights.present]
    edges = shared_edges(before, after)
    return weight_histograms(
        weights.layer.name,
        binned(before[before != 0], edges),
        binned(after[after != 0], edges),
        edges,
        weights.zeros,
        threshold=weights.threshold,
        levels=weights.levels,
        log_counts=log_counts,
        dark=dark,
    )


def _spectrum(weights: LayerWeights, model: Model, *, dark: bool) -> Drawn:
    layer = model.base.layer(weights.layer.name)
    vectors = derive(model.base, layer.name, "singular_vectors", engine.store())
    values = vectors.values.double().square().mean(dim=0).sqrt().numpy()
    compressed = model.compressed.get(layer.name)
    rank = None
    if compressed is not None and compressed.is_factored and _by_singular_values(compressed):
        rank = compressed.rank
    return spectrum(layer.name, values, rank=rank, break_even=layer.break_even_rank or None, dark=dark)


def _by_singular_values(compressed: CompressedLayer) -> bool:
    """Whether the layer's own singular values were truncated: the first part has its whole kernel."""
    whole = compressed.layer.kernel_shape
    return len(compressed.small) == 2 and compressed.small[0].kernel_shape[2:] == whole[2:]
