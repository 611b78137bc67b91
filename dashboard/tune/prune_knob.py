"""The prune knob of one layer: how much goes, counted as its step counts it, and what that leaves of it."""

from __future__ import annotations

from functools import partial

import numpy as np

from compress_core.measure.tables.prune_rows import SparsityTable, pruned_now, sparsity_table
from compress_core.recipe.values import Step
from compress_core.selection.patterns import NOfM
from compress_core.selection.select import Selection
from compress_core.techniques.contract.technique import Stage
from dashboard import engine
from dashboard.bound_widget import refused_beside
from dashboard.figures.words import in_bytes
from dashboard.live_slider.live_slider import live_slider
from dashboard.live_slider.live_table import LiveTable, Readout
from dashboard.text import _
from dashboard.tune import shared_share
from dashboard.tune.estimated_change import estimated_change, with_estimate
from dashboard.tune.knob_of_layer import MOST_PLACES, KnobOfLayer, KnobPlaces, of_this_step, spread
from dashboard.tune.steps import change_step, consistent, sparsity_of
from dashboard.tune.threshold_line import weights_with_mask, weights_with_threshold


def draw(place: KnobOfLayer) -> None:
    """A slider where rows say beforehand what each place leaves, else what the model has now."""
    choice = place.treated.knobs
    if isinstance(choice, Selection) and not isinstance(choice.removed_together, NOfM):
        _with_rows(place)
    else:
        _as_it_is(place)


def _with_rows(place: KnobOfLayer) -> None:
    step, layer = place.treated, place.layer.name
    rows = sparsity_table(place.base, place.view.recipe, layer, step, engine.store())
    shared = len(rows.layers) > 1
    held = [name for name in rows.layers if name in place.view.locked]
    live_slider(
        _("Removed, {count} layers").format(count=len(rows.layers)) if shared else _("Weights removed"),
        LiveTable(rows.sparsity, with_estimate(_readouts(rows), () if shared else _estimated(place, rows))),
        value=place.shown(dict(step.knobs)["sparsity"] if place.step else 0.0),
        key=place.slider,
        unit="%",
        factor=100,
        step=0.001,
        text_of=_text,
        histogram=weights_with_threshold(rows),
        help=shared_share.beforehand(layer, rows.layers, place.view.locked)
        or _("Within this layer; the readouts are exact and move while you drag."),
        disabled=bool(held) or place.is_locked,
        moves=place.moves(*(rows.layers if shared else ())),
        on_change=partial(_moved, layer, step.technique, place.slider),
    )
    if shared:
        shared_share.draw(place, rows.layers)


def places(place: KnobOfLayer) -> KnobPlaces | None:
    """Where its item is answered ahead: every tenth."""
    step = place.treated
    if not place.has_main_knob or isinstance(step.pattern, NOfM):
        return None
    tenths = spread(np.linspace(0, 1, MOST_PLACES).round(10).tolist())
    return KnobPlaces(place.stage, tenths, _text, lambda before, share: _at(before, step.technique, share))


def _text(share: float) -> str:
    return _("{share:g} % of the weights removed").format(share=round(100 * share, 3))


def _readouts(rows: SparsityTable) -> tuple[Readout, ...]:
    here = Readout(_("Removed here"), "%", 100 * rows.removed, digits=2)
    size = Readout(_("Bytes"), "", rows.bytes, text=in_bytes, is_of_all=True)
    lost = Readout(_("Weight error"), "%", 100 * rows.error, digits=2, note=of_this_step())
    if len(rows.layers) > 1:
        return here, Readout(_("Removed in the others"), "%", 100 * rows.elsewhere, digits=2), size, lost
    kept = Readout(_("Weights kept"), "", rows.kept, text=lambda v: f"{v:,.0f}")
    if np.isnan(rows.threshold).any():
        return kept, size, lost, here
    return kept, size, lost, Readout(_("Threshold"), "", rows.threshold, text=lambda v: f"{v:.3g}")


def _estimated(place: KnobOfLayer, rows: SparsityTable) -> tuple[Readout, ...]:
    tried = _at(place.step, place.treated.technique, 0.5)
    assert tried is not None, "half of it is something"
    return estimated_change(place, tried, np.where(rows.sparsity == 0, np.nan, rows.sparsity))


def _moved(layer: str, technique: str, slider: str, share: float) -> None:
    """The knob was let go; at nothing removed the step is taken out of all who share it."""
    with refused_beside(slider, share):
        change_step(layer, Stage.PRUNE, lambda before: _at(before, technique, share))


def _at(before: Step | None, technique: str, share: float) -> Step | None:
    if not share:
        return None
    same = before is not None and before.technique == technique
    knobs = dict(before.changed) if before is not None and same else {}
    return Step.of(technique, **consistent({**knobs, "sparsity": share}))


def _as_it_is(place: KnobOfLayer) -> None:
    """What a step without such rows left: read off the model; the slider of a pruner speaks on release."""
    step, compressed = place.step, place.compressed
    if step is None or compressed is None:
        return
    now = pruned_now(place.model, place.layer.name, engine.store())
    free = place.has_main_knob and not isinstance(step.pattern, NOfM)
    share = sparsity_of(step) or round(now.removed, 6)
    positions = np.union1d(np.linspace(0, 1, 101).round(10) if free else [0.0, 1.0], [share])
    here = positions == share

    def only_here(value: float) -> np.ndarray:
        return np.where(here, value, np.nan)

    later = _("on release") if free else _("not measured")
    readouts = (
        Readout(_("Weights kept"), "", only_here(now.kept), text=lambda v: f"{v:,.0f}", missing=later),
        Readout(_("Bytes"), "", only_here(now.bytes), text=in_bytes, missing=later, is_of_all=True),
        Readout(
            _("Weight error"), "%", only_here(100 * now.error), digits=2, missing=later, note=of_this_step()
        ),
        Readout(_("Removed here"), "%", only_here(100 * now.removed), digits=2, missing=later),
    )
    live_slider(
        _("Weights removed"),
        LiveTable(positions, readouts),
        value=place.shown(share),
        key=place.slider,
        unit="%",
        factor=100,
        step=0.001 if free else None,
        text_of=_text,
        histogram=weights_with_mask(now, len(positions)),
        help=_("The weights that stay are chosen anew on release.") if free else _fixed(step),
        disabled=place.is_locked or not free,
        moves=place.moves(),
        on_change=partial(_moved, place.layer.name, step.technique, place.slider),
    )


def _fixed(step: Step) -> str:
    pattern = step.pattern
    if isinstance(pattern, NOfM):
        return _("Pattern {pattern} keeps {n} of every {m} inputs.").format(
            pattern=dict(step.knobs)["pattern"], n=pattern.n, m=pattern.m
        )
    return _("How many that is, the layer decides: set the threshold among its other knobs.")
