"""What happens to the inputs of the selected layer: small values dropped, the rest rounded."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from compress_core.apply.model import Model
from compress_core.recipe.edit import with_input_steps
from compress_core.recipe.values import Step
from compress_core.techniques.contract.input_rules import InputRule, rule_as_json
from compress_core.techniques.contract.technique import Stage, techniques
from compress_core.techniques.contract.technique_kind import TechniqueKind
from dashboard import state
from dashboard.bound_widget import beside, by_hand, refused_beside, showing
from dashboard.knob_form import knob_form
from dashboard.text import _, as_words, label, literal, translated
from dashboard.tune.steps import names_of, take, with_knob
from dashboard.view import View

NONE = ""


def draw(view: View, model: Model) -> None:
    """A box for each kind of rule; nothing where there is no such technique or the layer is left out."""
    kinds, layer = _kinds(), view.layer
    if not kinds or layer not in model.base.by_name:
        return
    rules = model.inputs.get(layer, ())
    with st.container(border=True):
        st.markdown(f"**{_('Inputs of {layer}').format(layer=literal(layer))}**")
        st.caption(_("What arrives at the layer, with all weights as they ship; done anew for every item."))
        for column, kind in zip(st.columns(len(kinds), gap="medium"), kinds, strict=True):
            with column:
                _kind(view, layer, kind, rules)


def _kinds() -> list[TechniqueKind]:
    """The kinds of rules, sparsifiers before quantizers as a recipe wants them."""
    return sorted({techniques()[name].kind for name in names_of(Stage.INPUTS)})


def _kind(view: View, layer: str, kind: TechniqueKind, rules: tuple[InputRule, ...]) -> None:
    steps = view.recipe.inputs_of(layer)
    step = next((step for step in steps if step.method.kind is kind), None)
    choices = [NONE, *(name for name in names_of(Stage.INPUTS) if techniques()[name].kind is kind)]
    key = f"tune.inputs.{layer}.{kind}"
    st.selectbox(
        _(kind)[:1].upper() + _(kind)[1:],
        choices,
        format_func=lambda name: label(name) if name else _("none"),
        key=showing(f"{key}.technique", step.technique if step else NONE),
        on_change=by_hand(f"{key}.technique", _chosen, layer, kind, f"{key}.technique"),
        disabled=layer in view.locked,
    )
    beside(f"{key}.technique")
    if step is None:
        return
    st.caption(literal(translated(step.method.summary)))
    knob_form(
        step.knobs,
        without=frozenset(),
        key=key,
        on_change=partial(_knob_moved, layer, kind),
        disabled=layer in view.locked,
    )
    place = steps.index(step)
    if place < len(rules):
        st.caption(_("Fixed as: {rule}").format(rule=literal(_said(rules[place]))))


def _said(rule: InputRule) -> str:
    """The numbers of a rule, as they ship."""
    values = {name: value for name, value in rule_as_json(rule).items() if name != "kind"}
    return ", ".join(
        f"{_(as_words(name)).lower()} {value:.4g}"
        if isinstance(value, float)
        else f"{label(name).lower()} {value}"
        for name, value in values.items()
    )


def _chosen(layer: str, kind: TechniqueKind, key: str) -> None:
    name = st.session_state[key]
    with refused_beside(key, name):
        _replace(layer, kind, None if name == NONE else Step.of(name))


def _knob_moved(layer: str, kind: TechniqueKind, name: str, value: Any) -> None:
    steps = state.required().recipe.inputs_of(layer)
    before = next((step for step in steps if step.method.kind is kind), None)
    if before is not None:
        _replace(layer, kind, with_knob(before, name, value))


def _replace(layer: str, kind: TechniqueKind, step: Step | None) -> None:
    """Give a layer another rule of one kind; the kinds stay in their order; raises Refused."""
    view = state.required()
    others = [step for step in view.recipe.inputs_of(layer) if step.method.kind is not kind]
    steps = sorted([*others, *([step] if step else [])], key=lambda step: step.method.kind)
    if layer not in view.locked:
        take(with_input_steps(view.recipe, [layer], steps))
