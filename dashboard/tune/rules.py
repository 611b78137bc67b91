"""One knob for many layers: a share, a number of bits or an energy for all that match a pattern."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.apply.model import Model
from compress_core.recipe.edit import step_for_layer
from compress_core.recipe.values import Rule, Step
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.technique import Stage
from dashboard.text import _, current_language, label
from dashboard.tune.steps import FIRST_CHOICE, names_of, set_step, sparsity_of
from dashboard.view import View

EVERY = "*"
FULL_BITS = 32
KIND = "kind: "


def draw(view: View, model: Model) -> None:
    """A row of knobs that act on all matching layers that are not locked."""
    subject = model.subject
    key = f"rules.{view.version}"
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
    _prune(share, view, names, key)
    _bits(bits, view, names, key)
    _energy(energy, names, key)


def matching(subject: Subject, pattern: str) -> list[str]:
    """The layers of a kind, or those whose names match a pattern."""
    if pattern.startswith(KIND):
        return [layer.name for layer in subject.layers if layer.label == pattern.removeprefix(KIND)]
    return [name for name in subject.by_name if Rule(pattern, ()).matches(name, subject.by_name)]


def _criteria() -> list[str]:
    from compress_core.techniques.contract.technique import techniques

    return [name for name in names_of(Stage.PRUNE) if techniques()[name].is_criterion]


def _prune(place: DeltaGenerator, view: View, names: list[str], key: str) -> None:
    now = {sparsity_of(step_for_layer(view.recipe, name, Stage.PRUNE)) for name in names}
    with place:
        criterion = st.selectbox(
            _("Criterion"), _criteria(), format_func=label, key=f"rules.criterion.{current_language()}"
        )
        scope = st.segmented_control(
            _("Share counted in"),
            ["network", "layer"],
            default="network",
            format_func=label,
            key="rules.scope",
            required=True,
        )
        st.slider(
            _("Prune"),
            0.0,
            99.5,
            round(100 * max(now), 1) if len(now) == 1 else 0.0,
            0.5,
            format="%.1f %%",
            key=f"{key}.prune",
            on_change=_later(f"{key}.prune", lambda v: _set_share(names, criterion, scope or "network", v)),
        )
        if len(now) > 1:
            st.caption(_("These layers have different shares now."))


def _set_share(names: list[str], criterion: str, scope: str, percent: float) -> None:
    step = Step.of(criterion, sparsity=percent / 100, scope=scope) if percent else None
    set_step(names, Stage.PRUNE, step, by_widget=False)


def _bits(place: DeltaGenerator, view: View, names: list[str], key: str) -> None:
    steps = [step_for_layer(view.recipe, name, Stage.QUANTIZE) for name in names]
    now = {getattr(s.knobs, "bits", FULL_BITS) if s else FULL_BITS for s in steps}
    with place:
        quantizer = st.selectbox(
            _("Quantizer"),
            names_of(Stage.QUANTIZE),
            format_func=label,
            key=f"rules.quantizer.{current_language()}",
        )
        st.select_slider(
            _("Bits"),
            [2, 3, 4, 5, 6, 7, 8, FULL_BITS],
            next(iter(now)) if len(now) == 1 else FULL_BITS,
            key=f"{key}.bits",
            on_change=_later(
                f"{key}.bits", lambda v: _set_bits(names, quantizer or FIRST_CHOICE[Stage.QUANTIZE], int(v))
            ),
        )


def _set_bits(names: list[str], quantizer: str, bits: int) -> None:
    step = None if bits == FULL_BITS else Step.of(quantizer, bits=bits)
    set_step(names, Stage.QUANTIZE, step, by_widget=False)


def _energy(place: DeltaGenerator, names: list[str], key: str) -> None:
    place.slider(
        _("Energy kept by low rank"),
        50,
        100,
        100,
        1,
        format="%d %%",
        key=f"{key}.energy",
        help=_("Low rank by the share of squared singular values to keep; 100 leaves layers whole."),
        on_change=_later(f"{key}.energy", lambda v: _set_energy(names, int(v))),
    )


def _set_energy(names: list[str], percent: int) -> None:
    step = None if percent == 100 else Step.of(FIRST_CHOICE[Stage.FACTOR], energy=percent / 100)
    set_step(names, Stage.FACTOR, step, by_widget=False)


def _later(key: str, act: Callable[[float], None]) -> Callable[[], None]:
    """A callback that reads its widget when it is called."""
    return lambda: act(st.session_state[key])
