"""The real sliders of one layer: prune, rank and bits, with readouts that move during the drag."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from compress_core.apply.model import Model
from compress_core.apply.views.weight_view import derive
from compress_core.measure.cost.factor_cost import factor_cost
from compress_core.measure.tables.knob_tables import (
    RankTable,
    bits_table,
    rank_table,
    sparsity_table,
    vectors_of,
)
from compress_core.network.layers.kinds import Layer
from compress_core.recipe.edit import step_for_layer
from compress_core.recipe.values import Step
from compress_core.selection.patterns import NOfM
from compress_core.selection.select import Selection
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.technique import Stage, technique_named
from dashboard import engine, state
from dashboard.bound_widget import beside, refused_beside, showing, shown
from dashboard.figures.words import in_bytes
from dashboard.knob_form import knob_form
from dashboard.live_slider.live_slider import live_slider
from dashboard.live_slider.live_table import Histogram, LiveTable, Readout, Reference
from dashboard.show import refusals
from dashboard.text import _, label, literal, translated
from dashboard.tune.steps import (
    CHOICES,
    FIRST_CHOICE,
    MAIN_KNOB,
    consistent,
    idle_choices,
    names_of,
    otherwise,
    take_step,
    with_knob,
)
from dashboard.tune.threshold_line import counted, weights_with_threshold
from dashboard.view import View

NONE = ""
FULL_BITS = 32


def draw(view: View, model: Model, name: str) -> None:
    """Three columns: prune, rank, bits of a layer as the groups and preparations leave it."""
    base = model.base
    if name not in base.by_name:
        st.info(
            _("{layer} lies in a block that is left out, so it has nothing to set.").format(
                layer=literal(name)
            ),
            icon=":material/content_cut:",
        )
        return
    layer, loaded = base.layer(name), model.subject.layer(name)
    if layer.kernel_shape != loaded.kernel_shape:
        st.caption(
            _(
                "{layer} is {now} after the groups were cut, {before} as loaded; all below is about {now}."
            ).format(layer=literal(name), now=as_shape(layer), before=as_shape(loaded))
        )
    columns = st.columns(3, gap="medium")
    titles = {Stage.PRUNE: _("Prune"), Stage.FACTOR: _("Rank"), Stage.QUANTIZE: _("Bits")}
    for column, (stage, title) in zip(columns, titles.items(), strict=True):
        with column.container(border=True), refusals():
            st.markdown(f"**{title}**")
            _stage(view, base, layer, stage)


def as_shape(layer: Layer) -> str:
    """The shape of a layer's kernel, as people write it."""
    return "x".join(map(str, layer.kernel_shape))


def _stage(view: View, base: Subject, layer: Layer, stage: Stage) -> None:
    step = step_for_layer(view.recipe, layer.name, stage)
    key = f"tune.{layer.name}.{stage.name}"
    locked = layer.name in view.locked
    choices = [NONE, *names_of(stage)]
    st.selectbox(
        _("Technique"),
        choices,
        format_func=lambda n: label(n) if n else _("none"),
        key=showing(f"{key}.technique", step.technique if step else NONE),
        on_change=partial(_technique_chosen, layer.name, stage, f"{key}.technique"),
        disabled=locked,
    )
    beside(f"{key}.technique")
    treated = step or Step.of(FIRST_CHOICE[stage])
    _main_slider(view, base, layer, stage, treated, step is not None, key, locked)
    beside(f"{key}.slider")
    if step is None:
        return
    st.caption(literal(translated(step.method.summary)))
    if stage is Stage.FACTOR:
        _warn_of_rank(view, layer)
    if not _has_slider(stage, step):
        _other_knobs(layer, stage, step, key, locked)
        return
    with st.expander(_("More knobs"), key=f"{key}.more"):
        _other_knobs(layer, stage, step, key, locked)


def _warn_of_rank(view: View, layer: Layer) -> None:
    compressed = state.model(view).compressed.get(layer.name)
    cost = None if compressed is None else factor_cost(compressed)
    if cost is not None and cost.warning is not None:
        st.warning(literal(translated(cost.warning)))


def _has_slider(stage: Stage, step: Step) -> bool:
    """Whether a table can say beforehand what each value of the main knob leaves."""
    known = MAIN_KNOB[stage] in step.method.knobs.model_fields
    return known and (stage is not Stage.PRUNE or isinstance(step.knobs, Selection))


def _technique_chosen(layer: str, stage: Stage, key: str) -> None:
    chosen = st.session_state[key]
    before = step_for_layer(state.required().recipe, layer, stage)
    with refused_beside(key, chosen):
        if chosen == NONE:
            step = None
        else:
            step = otherwise(before, chosen) if before else _starting_step(chosen, layer)
        take_step(layer, stage, step)


def _starting_step(technique: str, layer: str) -> Step:
    if technique_named(technique).stage is not Stage.FACTOR:
        return Step.of(technique)
    if "rank" not in technique_named(technique).knobs.model_fields:
        return Step.of(technique, choose="bytes")
    rows = rank_table(state.model(state.required()).base, layer, engine.store(), technique)
    return Step.of(technique, rank=max(1, rows.break_even // 2))


def _other_knobs(layer: Layer, stage: Stage, step: Step, key: str, locked: bool) -> None:
    hidden = {MAIN_KNOB[stage]} if _has_slider(stage, step) else set()
    shown = knob_form(
        step.knobs,
        without=frozenset(hidden | _without_meaning(step)),
        key=key,
        on_change=partial(_knob_moved, layer.name, stage),
        disabled=locked,
    )
    if not shown:
        st.caption(_("This technique has no other knobs."))


def _knob_moved(layer: str, stage: Stage, name: str, value: Any) -> None:
    step = step_for_layer(state.required().recipe, layer, stage)
    if step is not None:
        take_step(layer, stage, with_knob(step, name, value))


def _without_meaning(step: Step) -> set[str]:
    """Knobs that another knob's value has made idle."""
    if isinstance(step.knobs, Selection) and isinstance(step.pattern, NOfM):
        return {"sparsity", "scope"}
    return idle_choices(step) if step.stage is Stage.FACTOR else set()


def _main_slider(
    view: View,
    base: Subject,
    layer: Layer,
    stage: Stage,
    step: Step,
    is_on: bool,
    key: str,
    locked: bool,
) -> None:
    if not _has_slider(stage, step):
        return
    match stage:
        case Stage.PRUNE:
            _prune(view, base, layer, step, is_on, key, locked)
        case Stage.FACTOR:
            _rank(view, base, layer, step, is_on, key, locked)
        case Stage.QUANTIZE:
            _bits(view, base, layer, step, is_on, key, locked)


def _moved(layer: str, stage: Stage, technique: str, off: float, value: float) -> None:
    """The knob was let go; at its end without effect the step is taken out."""
    key = f"tune.{layer}.{stage.name}.slider"
    with refused_beside(key, value):
        take_step(layer, stage, None if value == off else _at(layer, stage, technique, value))


def _at(layer: str, stage: Stage, technique: str, value: float) -> Step:
    current = step_for_layer(state.required().recipe, layer, stage)
    knobs = dict(current.changed) if current and current.technique == technique else {}
    if stage is Stage.FACTOR:
        knobs = {k: v for k, v in knobs.items() if k not in CHOICES}
    number = value if stage is Stage.PRUNE else int(value)
    return Step.of(technique, **consistent({**knobs, MAIN_KNOB[stage]: number}))


def _prune(
    view: View,
    base: Subject,
    layer: Layer,
    step: Step,
    is_on: bool,
    key: str,
    locked: bool,
) -> None:
    choice = step.knobs
    assert isinstance(choice, Selection)
    pattern = choice.removed_together
    if isinstance(pattern, NOfM):
        st.info(
            _("Pattern {pattern} keeps {n} of every {m} inputs.").format(
                pattern=choice.pattern, n=pattern.n, m=pattern.m
            )
        )
        return
    rows = sparsity_table(base, view.recipe, layer.name, step, engine.store())
    table = LiveTable(
        rows.sparsity,
        (
            Readout(_("Weights kept"), "", rows.kept, text=lambda v: f"{v:,.0f}"),
            Readout(_("Bytes"), "", rows.bytes, text=in_bytes),
            Readout(_("Squared weights lost"), "%", 100 * rows.error, digits=2),
            Readout(_("Threshold"), "", rows.threshold, digits=4),
        ),
    )
    live_slider(
        _("Weights removed"),
        table,
        value=shown(f"{key}.slider", choice.sparsity if is_on else 0.0),
        key=f"{key}.slider",
        unit="%",
        factor=100,
        step=0.001,
        text_of=lambda v: _("{share:g} % of the weights removed").format(share=round(100 * v, 3)),
        histogram=weights_with_threshold(base, layer, rows.threshold),
        help=_("Within this layer; the readouts are exact and move while you drag."),
        disabled=locked,
        on_change=partial(_moved, layer.name, Stage.PRUNE, step.technique, 0.0),
    )


def _rank(
    view: View,
    base: Subject,
    layer: Layer,
    step: Step,
    is_on: bool,
    key: str,
    locked: bool,
) -> None:
    rows = rank_table(base, layer.name, engine.store(), step.technique)
    highest = float(rows.rank[-1])
    whole = rows.rank == highest
    weights = np.where(whole, layer.weights, rows.weights)
    by_output = vectors_of(step.technique) == "whitened_vectors"
    lost = _("Squared output lost") if by_output else _("Squared weights lost")
    readouts = [
        Readout(_("Weights"), "", weights, text=lambda v: f"{v:,.0f}"),
        Readout(_("Bytes at 32 bits"), "", 4 * weights, text=in_bytes),
        Readout(lost, "%", np.where(whole, 0, 100 * rows.error), digits=2),
    ]
    if rows.macs is not None:
        macs = np.where(whole, layer.macs or 0, rows.macs)
        readouts.append(Readout(_("MACs for one item"), "", macs, text=lambda v: f"{v:,.0f}"))
    compressed = state.model(view).compressed.get(layer.name)
    rank = None if compressed is None else compressed.rank
    live_slider(
        _("Singular values kept"),
        LiveTable(rows.rank, tuple(readouts)),
        value=shown(f"{key}.slider", float(rank) if is_on and rank else highest),
        key=f"{key}.slider",
        step=1,
        text_of=lambda v: _("not factored") if v == highest else _("rank {rank:g}").format(rank=v),
        histogram=_spectrum(base, layer, rows, step.technique),
        help=_(
            "At its right end the layer is left whole. Below the break-even rank the factors are smaller."
        ),
        disabled=locked or highest <= 1,
        on_change=partial(_moved, layer.name, Stage.FACTOR, step.technique, highest),
    )


def _spectrum(base: Subject, layer: Layer, rows: RankTable, technique: str) -> Histogram:
    ranks = rows.rank
    vectors = derive(base, layer.name, vectors_of(technique), engine.store())
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


def _bits(
    view: View,
    base: Subject,
    layer: Layer,
    step: Step,
    is_on: bool,
    key: str,
    locked: bool,
) -> None:
    rows = bits_table(base, view.recipe, layer.name, step, engine.store())
    places = np.append(rows.bits, FULL_BITS)
    table = LiveTable(
        places,
        (
            Readout(_("Levels"), "", np.append([len(lv) for lv in rows.levels], np.nan), digits=0),
            Readout(_("Bytes"), "", np.append(rows.bytes, rows.bytes_unquantized), text=in_bytes),
            Readout(_("Squared error"), "%", np.append(100 * rows.error, 0), digits=3),
        ),
    )
    edges, counts = counted(base, layer)
    live_slider(
        _("Bits for each weight"),
        table,
        value=shown(
            f"{key}.slider", float(getattr(step.knobs, "bits", FULL_BITS)) if is_on else float(FULL_BITS)
        ),
        key=f"{key}.slider",
        unit=_("bit"),
        text_of=lambda v: (
            _("32 bits, not quantized") if v == FULL_BITS else _("{bits:g} bits").format(bits=v)
        ),
        histogram=Histogram(
            edges,
            counts,
            _("Weights of this layer and the levels of its first row"),
            [*rows.levels, np.array([])],
            caption=_("weights and the levels of the first row"),
            axis=_("weight"),
        ),
        help=_("At its right end the weights stay 32-bit numbers."),
        disabled=locked,
        on_change=partial(_moved, layer.name, Stage.QUANTIZE, step.technique, float(FULL_BITS)),
    )
