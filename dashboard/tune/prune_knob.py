"""The prune knob of one layer: how much goes, counted as its step counts it, and what that leaves of it."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from compress_core.apply.shared_budget import on_their_own, removed_share
from compress_core.measure.tables.prune_rows import SparsityTable, pruned_now, sparsity_table
from compress_core.recipe.values import Step
from compress_core.selection.patterns import NOfM
from compress_core.selection.select import Selection
from compress_core.techniques.contract.technique import Stage
from dashboard import engine, state
from dashboard.bound_widget import refused_beside
from dashboard.figures.words import in_bytes, percent
from dashboard.live_slider.live_slider import live_slider
from dashboard.live_slider.live_table import LiveTable, Readout
from dashboard.text import _, literal
from dashboard.tune.knob_of_layer import KnobOfLayer
from dashboard.tune.steps import change_step, consistent, sparsity_of, take
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
        LiveTable(rows.sparsity, _readouts(rows)),
        value=place.shown(dict(step.knobs)["sparsity"] if place.step else 0.0),
        key=place.slider,
        unit="%",
        factor=100,
        step=0.001,
        text_of=_text,
        histogram=weights_with_threshold(rows),
        help=_help(shared=shared),
        disabled=bool(held),
        on_change=partial(_moved, layer, step.technique, place.slider),
    )
    if shared:
        _budget(place, rows, held)


def _help(*, shared: bool) -> str:
    if shared:
        return _(
            "These layers share one budget: the knob moves all of them, and the readouts say what that "
            "leaves of this one."
        )
    return _("Within this layer; the readouts are exact and move while you drag.")


def _text(share: float) -> str:
    return _("{share:g} % of the weights removed").format(share=round(100 * share, 3))


def _readouts(rows: SparsityTable) -> tuple[Readout, ...]:
    here = Readout(_("Removed here"), "%", 100 * rows.removed, digits=2)
    size = Readout(_("Bytes"), "", rows.bytes, text=in_bytes)
    lost = Readout(_("Weight error"), "%", 100 * rows.error, digits=2)
    if len(rows.layers) > 1:
        return here, Readout(_("Removed in the others"), "%", 100 * rows.elsewhere, digits=2), size, lost
    kept = Readout(_("Weights kept"), "", rows.kept, text=lambda v: f"{v:,.0f}")
    if np.isnan(rows.threshold).any():
        return kept, size, lost, here
    return kept, size, lost, Readout(_("Threshold"), "", rows.threshold, text=lambda v: f"{v:.3g}")


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


def _budget(place: KnobOfLayer, rows: SparsityTable, held: list[str]) -> None:
    """Who shares the budget and what each of them loses; the way out of it, which changes nothing."""
    layer = place.layer.name
    if held:
        st.caption(_("{layer} shares this budget and is locked.").format(layer=", ".join(map(literal, held))))
    with st.popover(
        _("{count} layers share it").format(count=len(rows.layers)),
        icon=":material/group_work:",
        width="stretch",
        key=f"{place.key}.budget",
    ):
        st.markdown(
            _(
                "The share is counted over these layers together. Were {layer} only set lower, the others "
                "would have to lose more."
            ).format(layer=literal(layer))
        )
        shares = [removed_share(place.model, [name]) for name in rows.layers]
        names = [literal(name) for name in rows.layers]
        st.table({_("Layer"): names, _("Removed now"): [percent(share) for share in shares]})
        st.button(
            _("Give {layer} a share of its own").format(layer=literal(layer)),
            key=f"{place.key}.alone",
            on_click=partial(_alone, layer, place.slider),
            disabled=place.is_locked,
        )
        st.caption(_("Every layer keeps what it has then; from there each knob moves its own layers only."))


def _alone(layer: str, slider: str) -> None:
    view = state.required()
    with refused_beside(slider, None):
        take(on_their_own(state.model(view), [layer]))


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
        Readout(_("Bytes"), "", only_here(now.bytes), text=in_bytes, missing=later),
        Readout(_("Weight error"), "%", only_here(100 * now.error), digits=2, missing=later),
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
        on_change=partial(_moved, place.layer.name, step.technique, place.slider),
    )


def _fixed(step: Step) -> str:
    pattern = step.pattern
    if isinstance(pattern, NOfM):
        return _("Pattern {pattern} keeps {n} of every {m} inputs.").format(
            pattern=dict(step.knobs)["pattern"], n=pattern.n, m=pattern.m
        )
    return _("How many that is, the layer decides: set the threshold among its other knobs.")
