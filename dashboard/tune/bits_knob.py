"""The bits knob of one layer: how many levels its weights may take, and what that costs and loses."""

from __future__ import annotations

from functools import partial

import numpy as np

from compress_core.measure.tables.knob_tables import BitsTable, bits_table
from compress_core.measure.tables.quantizer_view import quantizer_view
from compress_core.recipe.values import Step
from compress_core.techniques.contract.technique import Stage
from dashboard import engine
from dashboard.bound_widget import refused_beside
from dashboard.figures.words import in_bytes
from dashboard.live_slider.live_slider import live_slider
from dashboard.live_slider.live_table import Histogram, LiveTable, Readout
from dashboard.text import _
from dashboard.tune.estimated_change import estimated_change, with_estimate
from dashboard.tune.knob_of_layer import KnobOfLayer, KnobPlaces, of_this_step, spread
from dashboard.tune.steps import change_step

FULL_BITS = 32


def draw(place: KnobOfLayer) -> None:
    """The slider over all numbers of bits; at its right end nothing is rounded."""
    step, layer = place.treated, place.layer.name
    rows = bits_table(place.base, place.view.recipe, layer, step, engine.store())
    live_slider(
        _("Bits kept"),
        LiveTable(np.append(rows.bits, FULL_BITS), with_estimate(_readouts(rows), _estimated(place, rows))),
        value=place.shown(getattr(step.knobs, "bits", FULL_BITS) if place.step else FULL_BITS),
        key=place.slider,
        unit=_("bit"),
        text_of=_text,
        histogram=_levels(place, rows),
        help=_("Bits for each weight; at its right end the weights stay 32-bit numbers."),
        disabled=place.is_locked,
        moves=place.moves(),
        on_change=partial(_moved, layer, step.technique, place.slider),
    )


def places(place: KnobOfLayer) -> KnobPlaces | None:
    """Where its item is answered ahead."""
    step = place.treated
    rows = bits_table(place.base, place.view.recipe, place.layer.name, step, engine.store())
    return KnobPlaces(
        place.stage,
        spread([*rows.bits.tolist(), FULL_BITS]),
        _text,
        lambda before, bits: _at(before, step.technique, int(bits)),
    )


def _text(bits: float) -> str:
    return _("32 bits, not quantized") if bits == FULL_BITS else _("{bits:g} bits").format(bits=bits)


def _readouts(rows: BitsTable) -> tuple[Readout, ...]:
    levels = [len(found) for found in rows.levels]
    return (
        Readout(_("Levels"), "", np.append(levels, np.nan), digits=0, missing=_("all")),
        Readout(_("Bytes"), "", np.append(rows.bytes, rows.bytes_unquantized), text=in_bytes),
        Readout(_("Weight error"), "%", np.append(100 * rows.error, 0), digits=3, note=of_this_step()),
    )


def _estimated(place: KnobOfLayer, rows: BitsTable) -> tuple[Readout, ...]:
    tried = _at(place.step, place.treated.technique, int(rows.bits[0]))
    assert tried is not None, "a knob of bits has a place before its right end"
    return estimated_change(place, tried, np.append(rows.bits, np.nan))


def _levels(place: KnobOfLayer, rows: BitsTable) -> Histogram:
    """The weights that the quantizer is given; those that are pruned stand apart, as on the prune knob."""
    given = quantizer_view(place.model, place.layer.name, engine.store())
    levels = [*rows.levels, np.array([])]
    return Histogram(
        given.edges,
        given.counts,
        _("Weights of this layer and the levels of its first row"),
        levels,
        kept=np.tile(given.kept_in_bins, (len(levels), 1)) if given.is_pruned else None,
        caption=_("weights and the levels of the first row"),
        axis=_("weight"),
    )


def _moved(layer: str, technique: str, slider: str, bits: float) -> None:
    """The knob was let go; at its right end the step is taken out."""
    with refused_beside(slider, bits):
        change_step(layer, Stage.QUANTIZE, lambda before: _at(before, technique, int(bits)))


def _at(before: Step | None, technique: str, bits: int) -> Step | None:
    if bits == FULL_BITS:
        return None
    same = before is not None and before.technique == technique
    knobs = dict(before.changed) if before is not None and same else {}
    return Step.of(technique, **{**knobs, "bits": bits})
