"""One knob for many layers: a share, a number of bits or an energy for all that match a pattern."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.apply.model import Model
from compress_core.apply.shared_budget import sharers, shares_budget
from compress_core.recipe.edit import step_for_layer, with_step
from compress_core.recipe.values import Rule, Step
from compress_core.selection.select import Selection
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.technique import Stage
from dashboard import state
from dashboard.bound_widget import beside, by_hand, picked, refused_beside, showing
from dashboard.figures.words import percent
from dashboard.text import _, current_language, label
from dashboard.tune.differing import KnobPlace, knob
from dashboard.tune.steps import (
    FIRST_CHOICE,
    leaving_budgets,
    names_of,
    otherwise,
    sparsity_of,
    take,
    with_knob,
    with_steps,
)
from dashboard.view import View

EVERY = "*"
FULL_BITS = 32
KIND = "kind: "
KEY = "rules"
SHARES = [place / 2 for place in range(201)]
BITS = [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, float(FULL_BITS)]
ENERGIES = [float(place) for place in range(1, 101)]
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
    _prune(share, view, names, list(model.base.by_name))
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


def _prune(place: DeltaGenerator, view: View, names: list[str], everybody: list[str]) -> None:
    steps = [step_for_layer(view.recipe, name, Stage.PRUNE) for name in names]
    with place:
        criterion = st.selectbox(
            _("Criterion"),
            _criteria(),
            format_func=label,
            key=_how("criterion", _criteria(), {s.technique for s in steps if s}, FIRST_CHOICE[Stage.PRUNE]),
            on_change=_later(f"{KEY}.criterion", lambda v: _otherwise(names, Stage.PRUNE, v)),
        )
        beside(f"{KEY}.criterion")
        _say_several(steps)
        scope = st.segmented_control(
            _("Share counted in"),
            SCOPES,
            format_func=label,
            key=_how("scope", SCOPES, {getattr(s.knobs, "scope", "") for s in steps if s}, "network"),
            on_change=_later(f"{KEY}.scope", lambda v: _scoped(names, v)),
            required=True,
        )
        beside(f"{KEY}.scope")
        knob(
            _("Prune"),
            _shares(steps),
            SHARES,
            lambda share: percent(share / 100),
            key=f"{KEY}.prune",
            on_change=lambda v: _set_share(names, criterion, scope or "network", v),
        )
        _say_budget(view, names, everybody, scope or "network")


def _shares(steps: list[Step | None]) -> list[KnobPlace]:
    """The share of each layer in percent; in words where it is of a shared budget, or there is no share.

    Layers that all share one budget have one place.
    """
    first = steps[0]
    if len(set(steps)) == 1 and first is not None and shares_budget(first):
        return [round(100 * sparsity_of(step), 4) for step in steps]
    return [_share_of(step) for step in steps]


def _share_of(step: Step | None) -> KnobPlace:
    if step is None:
        return 0.0
    if not isinstance(step.knobs, Selection):
        return label(step.technique)
    if shares_budget(step):
        return _("{share} of a shared budget").format(share=percent(sparsity_of(step)))
    return round(100 * sparsity_of(step), 4)


def _say_budget(view: View, names: list[str], everybody: list[str], scope: str) -> None:
    """What a share of the whole network means for each layer, before anything is moved."""
    if scope == "network" and len(names) > 1:
        st.caption(
            _(
                "One budget for these {count} layers: the share is of all their weights together, and a "
                "layer that gives fewer makes the others give more."
            ).format(count=len(names))
        )
    others = _others_in_budget(view, names, everybody)
    if others:
        st.info(
            _(
                "{count} other layers share a budget with these now. A change here gives them one of their "
                "own: they keep what they have."
            ).format(count=len(others)),
            icon=":material/balance:",
        )


def _others_in_budget(view: View, names: list[str], everybody: list[str]) -> set[str]:
    steps = ((name, step_for_layer(view.recipe, name, Stage.PRUNE)) for name in names)
    found = [sharers(view.recipe, name, step, everybody) for name, step in steps if step is not None]
    return {other for others in found for other in others} - set(names)


def _say_several(steps: list[Step | None]) -> None:
    """The techniques of these layers, where they have several and a box can show but one."""
    names = sorted({label(step.technique) for step in steps if step is not None})
    if len(names) > 1:
        st.caption(_("Several now: {names}. A choice here is for all.").format(names=", ".join(names)))


def _how(box: str, options: list[str], there: set[str], first: str) -> str:
    """The key of a box that says how: it shows what the layers have where that is one and the same thing."""
    key, there = f"{KEY}.{box}", there & set(options)
    return showing(key, next(iter(there))) if len(there) == 1 else picked(key, first)


def _set_share(names: list[str], criterion: str, scope: str, percent: float) -> None:
    step = Step.of(criterion, sparsity=round(percent / 100, 6), scope=scope) if percent else None
    take(with_steps(names, Stage.PRUNE, step))


def _scoped(names: list[str], scope: str) -> None:
    recipe = leaving_budgets(names)
    for name in names:
        step = step_for_layer(recipe, name, Stage.PRUNE)
        if step is not None and "scope" in step.method.knobs.model_fields:
            recipe = with_step(recipe, [name], Stage.PRUNE, with_knob(step, "scope", scope))
    take(recipe)


def _otherwise(names: list[str], stage: Stage, technique: str) -> None:
    """Another technique for the layers that have one; what it shares with the old one stays."""
    recipe = leaving_budgets(names) if stage is Stage.PRUNE else state.required().recipe
    for name in names:
        step = step_for_layer(recipe, name, stage)
        if step is not None:
            recipe = with_step(recipe, [name], stage, otherwise(name, step, technique))
    take(recipe)


def _bits(place: DeltaGenerator, view: View, names: list[str]) -> None:
    steps = [step_for_layer(view.recipe, name, Stage.QUANTIZE) for name in names]
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
        _say_several(steps)
        knob(
            _("Bits"),
            [_bits_of(step) for step in steps],
            BITS,
            lambda bits: _("{bits:g} bits").format(bits=bits),
            key=f"{KEY}.bits",
            on_change=lambda v: _set_bits(names, quantizer or first, int(v)),
        )


def _bits_of(step: Step | None) -> KnobPlace:
    """The bits of a layer; the name of a quantizer that has no such knob."""
    if step is None:
        return float(FULL_BITS)
    bits = getattr(step.knobs, "bits", None)
    return label(step.technique) if bits is None else float(bits)


def _set_bits(names: list[str], quantizer: str, bits: int) -> None:
    step = None if bits == FULL_BITS else Step.of(quantizer, bits=bits)
    take(with_step(state.required().recipe, names, Stage.QUANTIZE, step))


def _energy(place: DeltaGenerator, view: View, names: list[str]) -> None:
    steps = [step_for_layer(view.recipe, name, Stage.FACTOR) for name in names]
    with place:
        knob(
            _("Energy kept by low rank"),
            [_energy_of(step) for step in steps],
            ENERGIES,
            lambda energy: percent(energy / 100, 0),
            key=f"{KEY}.energy",
            help=_("Low rank by the share of squared singular values to keep; 100 leaves layers whole."),
            on_change=lambda v: _set_energy(names, int(v)),
        )


def _energy_of(step: Step | None) -> KnobPlace:
    """The energy in percent that a layer keeps; words where a factorizer goes by something else."""
    if step is None:
        return 100.0
    rank = getattr(step.knobs, "rank", None)
    if step.technique != FIRST_CHOICE[Stage.FACTOR]:
        return label(step.technique)
    if rank is not None:
        return _("rank {rank:g}").format(rank=rank)
    if getattr(step.knobs, "choose", "") != "energy":
        return label(step.technique)
    return round(100 * float(getattr(step.knobs, "energy", 1.0)), 4)


def _set_energy(names: list[str], percent: int) -> None:
    step = None if percent == 100 else Step.of(FIRST_CHOICE[Stage.FACTOR], energy=percent / 100)
    take(with_step(state.required().recipe, names, Stage.FACTOR, step))


def _later(key: str, act: Callable[[Any], None]) -> Callable[[], None]:
    """A callback that reads its widget when it is called."""
    return by_hand(key, _heard, key, act)


def _heard(key: str, act: Callable[[Any], None]) -> None:
    with refused_beside(key, st.session_state[key]):
        act(st.session_state[key])
