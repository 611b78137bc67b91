"""The rank knob of one layer: how many singular values stay, and what smaller layers that makes."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from compress_core.apply.views.weight_view import derive
from compress_core.measure.cost.factor_cost import factor_cost
from compress_core.measure.tables.knob_tables import RankTable, rank_table, vectors_of
from compress_core.recipe.edit import step_for_layer
from compress_core.recipe.values import Step
from compress_core.techniques.contract.technique import Stage
from dashboard import engine
from dashboard.bound_widget import refused_beside
from dashboard.figures.words import in_bytes
from dashboard.live_slider.live_slider import live_slider
from dashboard.live_slider.live_table import Histogram, LiveTable, Readout, Reference
from dashboard.text import _, literal, translated
from dashboard.tune.estimated_change import estimated_change, with_estimate
from dashboard.tune.knob_of_layer import KnobOfLayer, KnobPlaces, of_this_step, spread
from dashboard.tune.steps import CHOICES, change_step


def draw(place: KnobOfLayer) -> None:
    """The slider, or for a technique with several ranks what it made; and a warning where it does not pay."""
    if place.has_main_knob:
        _with_rows(place)
    else:
        _as_it_is(place)
    cost = None if place.compressed is None else factor_cost(place.compressed)
    if cost is not None and cost.warning is not None:
        st.warning(literal(translated(cost.warning)))


def _with_rows(place: KnobOfLayer) -> None:
    layer, technique = place.layer, place.treated.technique
    rank = None if place.compressed is None or place.step is None else place.compressed.rank
    rows = rank_table(place.base, layer.name, engine.store(), technique, at=rank)
    highest = float(rows.rank[-1])
    whole = (rows.rank == highest) & (rank != highest)
    live_slider(
        _("Rank kept"),
        LiveTable(rows.rank, with_estimate(_readouts(place, rows, whole), _estimated(place, rows, whole))),
        value=place.shown(highest if rank is None else rank),
        key=place.slider,
        step=1,
        text_of=partial(_text, highest),
        histogram=_spectrum(place, rows, technique),
        help=_(
            "At its right end the layer is left whole. Left of the break-even line the factors are smaller."
        ),
        disabled=place.is_locked or highest <= 1,
        moves=place.moves(),
        on_change=partial(_moved, layer.name, technique, highest, place.slider),
    )


def places(place: KnobOfLayer) -> KnobPlaces | None:
    """Where its item is answered ahead."""
    if not place.has_main_knob:
        return None
    technique = place.treated.technique
    ranks = rank_table(place.base, place.layer.name, engine.store(), technique).rank
    highest = float(ranks[-1])
    return KnobPlaces(
        place.stage,
        spread(ranks.tolist()),
        partial(_text, highest),
        lambda before, rank: _at(before, technique, highest, rank),
    )


def _text(highest: float, rank: float) -> str:
    return _("not factored") if rank == highest else _("rank {rank:g}").format(rank=rank)


def _readouts(place: KnobOfLayer, rows: RankTable, whole: np.ndarray) -> tuple[Readout, ...]:
    layer = place.layer
    weights = np.where(whole, layer.weights, rows.weights)
    by_output = vectors_of(place.treated.technique) == "whitened_vectors"
    lost = _("Output error") if by_output else _("Weight error")
    is_pruned = step_for_layer(place.view.recipe, layer.name, Stage.PRUNE) is not None
    counted = _("Dense weights") if is_pruned else _("Weights")
    sized = _("Dense bytes") if is_pruned else _("Bytes at 32 bits")
    before = _("Before pruning and quantization, with 32 bits for each weight.")
    readouts = [
        Readout(counted, "", weights, text=_counted, note=before),
        Readout(sized, "", 4 * weights, text=in_bytes, note=before),
        Readout(lost, "%", np.where(whole, 0, 100 * rows.error), digits=2, note=of_this_step()),
    ]
    if rows.macs is not None:
        macs = np.where(whole, layer.macs or 0, rows.macs)
        readouts.append(Readout(_("MACs for one item"), "", macs, text=_counted))
    return tuple(readouts)


def _estimated(place: KnobOfLayer, rows: RankTable, whole: np.ndarray) -> tuple[Readout, ...]:
    tried = _at(place.step, place.treated.technique, np.inf, 1)
    assert tried is not None, "one is below all that there are"
    return estimated_change(place, tried, np.where(whole, np.nan, rows.rank))


def _counted(value: float) -> str:
    return f"{value:,.0f}"


def _moved(layer: str, technique: str, highest: float, slider: str, rank: float) -> None:
    """The knob was let go; at its right end the layer is left whole."""
    with refused_beside(slider, rank):
        change_step(layer, Stage.FACTOR, lambda before: _at(before, technique, highest, rank))


def _at(before: Step | None, technique: str, highest: float, rank: float) -> Step | None:
    if rank == highest:
        return None
    same = before is not None and before.technique == technique
    knobs = dict(before.changed) if before is not None and same else {}
    return Step.of(technique, **{k: v for k, v in knobs.items() if k not in CHOICES} | {"rank": int(rank)})


def _spectrum(place: KnobOfLayer, rows: RankTable, technique: str) -> Histogram:
    ranks = rows.rank
    vectors = derive(place.base, place.layer.name, vectors_of(technique), engine.store())
    values = vectors.values.mean(dim=0).numpy().astype(float)
    width = max(1, len(values) // 120)
    reduced = np.array([values[i : i + width].mean() for i in range(0, len(values), width)])
    edges = np.append(np.arange(len(reduced)) * width, len(values)).astype(float) + 0.5
    references: tuple[Reference, ...] = ()
    if rows.break_even > 0:
        references = (Reference(_("break-even"), rows.break_even + 0.5),)
    return Histogram(
        edges,
        reduced,
        _("Singular values in descending order; those right of the line are dropped"),
        [np.array([rank + 0.5]) for rank in ranks],
        removed=np.stack([ranks + 0.5, np.full(len(ranks), edges[-1])], axis=1),
        references=references,
        caption=_("singular values"),
        axis=_("rank"),
    )


def _as_it_is(place: KnobOfLayer) -> None:
    """What a technique with a rank for each side made of the layer, read off the model."""
    compressed = place.compressed
    if compressed is None or compressed.rank is None:
        return
    rank, cost = float(compressed.rank), factor_cost(compressed)
    highest = float(max(place.layer.highest_rank, rank))
    positions = np.unique([1.0, rank, highest])

    def only_here(value: float | None) -> np.ndarray:
        return np.where(positions == rank, np.nan if value is None else value, np.nan)

    weights = sum(part.weights for part, _encoded in compressed.parts)
    readouts = (
        Readout(_("Weights"), "", only_here(weights), text=_counted),
        Readout(_("Bytes"), "", only_here(compressed.bits.total / 8), text=in_bytes, is_of_all=True),
        Readout(_("MACs for one item"), "", only_here(compressed.macs), text=_counted),
    )
    live_slider(
        _("Rank kept"),
        LiveTable(positions, readouts if cost is not None else readouts[:2]),
        value=rank,
        key=place.slider,
        help=_("The narrowest of its ranks: set each of them among its other knobs."),
        disabled=True,
        moves=place.moves(),
    )
