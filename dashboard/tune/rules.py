"""One knob for many layers: a share, a number of bits or an energy for all that match a pattern."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.apply.model import Model
from compress_core.recipe.edit import step_for_layer, with_step
from compress_core.recipe.values import Rule, Step
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.technique import Stage
from dashboard import state
from dashboard.bound_widget import beside, picked, refused_beside, showing
from dashboard.text import _, current_language, label
from dashboard.tune.steps import (
    FIRST_CHOICE,
    names_of,
    otherwise,
    sparsity_of,
    take,
    with_knob,
)
from dashboard.view import View

EVERY = "*"
FULL_BITS = 32
KIND = "kind: "
KEY = "rules"
SCOPES = ["network", "layer"]


def draw(view: View, model: Model) -> None:
    """A row of knobs that act on all matching layers that are not locked."""
    subject = model.subject
    kinds = {KIND + layer.label: _("kind: {kind}").format(kind=_(layer.label)) for layer in subject.layers}
    whom, share, bits, energy = st.columns([1.2, 1.4, 1.4, 1.2], gap="medium")
    pattern = whom.selectbox(
        _("Layers"),
        [EVERY, *kinds],
        format_func=lambda p: _("all unlocked") if p == EVERY else kinds.get(p, p),
        accept_new_options=True,
        key=f"rules.match.{current_language()}",
        help=_("A kind of layer, or a pattern of names such as conv* of your own."),
    )
    names = [n for n in matching(subject, pattern or EVERY) if n not in view.locked]
    whom.caption(_("{count} of {all} layers").format(count=len(names), all=len(subject.layers)))
    if not names:
        share.info(_("No unlocked layer matches: choose another kind or pattern."))
        return
    _prune(share, view, names)
    _bits(bits, view, names)
    _energy(energy, view, names)


def matching(subject: Subject, pattern: str) -> list[str]:
    """The layers of a kind, or those whose names match a pattern."""
    if pattern.startswith(KIND):
        return [layer.name for layer in subject.layers if layer.label == pattern.removeprefix(KIND)]
    return [name for name in subject.by_name if Rule(pattern, ()).matches(name, subject.by_name)]


def _criteria() -> list[str]:
    from compress_core.techniques.contract.technique import techniques

    return [name for name in names_of(Stage.PRUNE) if techniques()[name].is_criterion]


def _prune(place: DeltaGenerator, view: View, names: list[str]) -> None:
    steps = [step_for_layer(view.recipe, name, Stage.PRUNE) for name in names]
    now = {sparsity_of(step) for step in steps}
    with place:
        criterion = st.selectbox(
            _("Criterion"),
            _criteria(),
            format_func=label,
            key=_how("criterion", _criteria(), {s.technique for s in steps if s}, FIRST_CHOICE[Stage.PRUNE]),
            on_change=_later(f"{KEY}.criterion", lambda v: _otherwise(names, Stage.PRUNE, v)),
        )
        beside(f"{KEY}.criterion")
        scope = st.segmented_control(
            _("Share counted in"),
            SCOPES,
            format_func=label,
            key=_how("scope", SCOPES, {getattr(s.knobs, "scope", "") for s in steps if s}, "network"),
            on_change=_later(f"{KEY}.scope", lambda v: _scoped(names, v)),
            required=True,
        )
        beside(f"{KEY}.scope")
        st.slider(
            _("Prune"),
            0.0,
            100.0,
            None,
            0.1,
            format="%.1f %%",
            key=showing(f"{KEY}.prune", round(100 * max(now), 1) if len(now) == 1 else 0.0),
            on_change=_later(f"{KEY}.prune", lambda v: _set_share(names, criterion, scope or "network", v)),
        )
        beside(f"{KEY}.prune")
        if len(now) > 1:
            st.caption(_("These layers have different shares now."))


def _how(box: str, options: list[str], there: set[str], first: str) -> str:
    """The key of a box that says how: it shows what the layers have where that is one and the same thing."""
    key, there = f"{KEY}.{box}", there & set(options)
    return showing(key, next(iter(there))) if len(there) == 1 else picked(key, first)


def _set_share(names: list[str], criterion: str, scope: str, percent: float) -> None:
    step = Step.of(criterion, sparsity=round(percent / 100, 6), scope=scope) if percent else None
    take(with_step(state.required().recipe, names, Stage.PRUNE, step))


def _scoped(names: list[str], scope: str) -> None:
    recipe = state.required().recipe
    for name in names:
        step = step_for_layer(recipe, name, Stage.PRUNE)
        if step is not None and "scope" in step.method.knobs.model_fields:
            recipe = with_step(recipe, [name], Stage.PRUNE, with_knob(step, "scope", scope))
    take(recipe)


def _otherwise(names: list[str], stage: Stage, technique: str) -> None:
    """Another technique for the layers that have one; what it shares with the old one stays."""
    recipe = state.required().recipe
    for name in names:
        step = step_for_layer(recipe, name, stage)
        if step is not None:
            recipe = with_step(recipe, [name], stage, otherwise(step, technique))
    take(recipe)


def _bits(place: DeltaGenerator, view: View, names: list[str]) -> None:
    steps = [step_for_layer(view.recipe, name, Stage.QUANTIZE) for name in names]
    now = {getattr(s.knobs, "bits", FULL_BITS) if s else FULL_BITS for s in steps}
    first = FIRST_CHOICE[Stage.QUANTIZE]
    with place:
        quantizer = st.selectbox(
            _("Quantizer"),
            names_of(Stage.QUANTIZE),
            format_func=label,
            key=_how("quantizer", names_of(Stage.QUANTIZE), {s.technique for s in steps if s}, first),
            on_change=_later(f"{KEY}.quantizer", lambda v: _otherwise(names, Stage.QUANTIZE, v)),
        )
        beside(f"{KEY}.quantizer")
        st.select_slider(
            _("Bits"),
            [2, 3, 4, 5, 6, 7, 8, FULL_BITS],
            None,
            key=showing(f"{KEY}.bits", next(iter(now)) if len(now) == 1 else FULL_BITS),
            on_change=_later(f"{KEY}.bits", lambda v: _set_bits(names, quantizer or first, int(v))),
        )
        beside(f"{KEY}.bits")


def _set_bits(names: list[str], quantizer: str, bits: int) -> None:
    step = None if bits == FULL_BITS else Step.of(quantizer, bits=bits)
    take(with_step(state.required().recipe, names, Stage.QUANTIZE, step))


def _energy(place: DeltaGenerator, view: View, names: list[str]) -> None:
    steps = [step_for_layer(view.recipe, name, Stage.FACTOR) for name in names]
    now = {_energy_of(step) for step in steps}
    with place:
        st.slider(
            _("Energy kept by low rank"),
            1,
            100,
            None,
            1,
            format="%d %%",
            key=showing(f"{KEY}.energy", next(iter(now)) if len(now) == 1 else 100),
            help=_("Low rank by the share of squared singular values to keep; 100 leaves layers whole."),
            on_change=_later(f"{KEY}.energy", lambda v: _set_energy(names, int(v))),
        )
        beside(f"{KEY}.energy")


def _energy_of(step: Step | None) -> int:
    """The energy in percent that a factorizer keeps; 100 where it goes by something else."""
    if step is None or getattr(step.knobs, "choose", "") != "energy" or getattr(step.knobs, "rank", None):
        return 100
    return round(100 * getattr(step.knobs, "energy", 1.0))


def _set_energy(names: list[str], percent: int) -> None:
    step = None if percent == 100 else Step.of(FIRST_CHOICE[Stage.FACTOR], energy=percent / 100)
    take(with_step(state.required().recipe, names, Stage.FACTOR, step))


def _later(key: str, act: Callable[[Any], None]) -> Callable[[], None]:
    """A callback that reads its widget when it is called."""

    def called() -> None:
        with refused_beside(key, st.session_state[key]):
            act(st.session_state[key])

    return called
