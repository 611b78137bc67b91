"""The widgets of a plan: what it learns from, what else happens, for how long, and the knobs of methods."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from compress_core.subject.answer_kind import PredictionTask
from compress_core.subject.subject import Subject
from compress_core.training.knob_tasks import is_idle
from compress_core.training.method import TrainingMethod
from compress_core.training.objective_of_kind import objective_of
from compress_core.training.plan import MethodStep, Plan
from dashboard.bound_widget import beside, by_hand, refused_beside, showing
from dashboard.knob_form import knob_form, knob_widget
from dashboard.recover import chosen_plan
from dashboard.recover.chosen_plan import choose, judges, others, with_methods
from dashboard.text import _, label, literal, translated

JUDGE, METHODS = "recover.judge", "recover.methods"
AT_HAND = ("epochs", "learning_rate")
LAYERS = "match"


def draw(plan: Plan, subject: Subject) -> None:
    """All of them that mean something for a model, each showing what the plan says."""
    _methods(plan, subject)
    for place, name in zip(st.columns(2, gap="medium"), AT_HAND, strict=True):
        with place:
            key = f"recover.training.{name}"
            field = type(plan.knobs).model_fields[name]
            knob_widget(name, field, getattr(plan.knobs, name), key, _set_common)
            beside(key)
    for at, step in enumerate(plan.steps):
        _method(step, at, subject.task)
    with st.expander(_("Of every training"), icon=":material/tune:"):
        knob_form(plan.knobs, without=frozenset(AT_HAND), key="recover.training", on_change=_set_common)


def _methods(plan: Plan, subject: Subject) -> None:
    names = [step.method.name for step in plan.steps]
    judge = next(name for name in names if name in judges())
    offered = judges(objective_of(subject.answers))
    st.selectbox(
        _("Learns from"),
        list(offered if judge in offered else judges()),
        format_func=label,
        key=showing(JUDGE, judge),
        on_change=by_hand(JUDGE, _set_methods, JUDGE),
        help=_(
            "Distillation learns from what the original answers, fine-tuning from labels alone; vectors have "
            "no labels."
        ),
    )
    beside(JUDGE)
    st.multiselect(
        _("And"),
        list(others()),
        format_func=label,
        key=showing(METHODS, [name for name in dict.fromkeys(names) if name != judge]),
        on_change=by_hand(METHODS, _set_methods, METHODS),
        placeholder=_("Nothing else: pruned stays zero, rounded keeps its codes"),
        help=_("What else happens while it trains: rounding, pruning, growing, pulling towards zero."),
    )
    beside(METHODS)


def _set_methods(widget: str) -> None:
    judge, methods = st.session_state[JUDGE], st.session_state[METHODS]
    with refused_beside(widget, st.session_state[widget]):
        choose(with_methods(chosen_plan.chosen_plan(), judge, methods))


def _set_common(name: str, value: Any) -> None:
    choose(chosen_plan.with_training_knob(chosen_plan.chosen_plan(), name, value))


def _method(step: MethodStep, at: int, task: PredictionTask) -> None:
    """What it does, whose idea it is, its knobs, and for which layers; at: its place in the plan."""
    method = step.method
    with st.expander(label(method.name), icon=_icon(method)):
        st.caption(f"{literal(translated(method.summary))} {literal(method.source)}")
        key = f"recover.{at}.{method.name}"
        knob_form(step.knobs, without=_idle(step, task), key=key, on_change=partial(_set_knob, at))
        place = f"{key}.{LAYERS}"
        st.text_input(
            _("Layers"),
            key=showing(place, step.match),
            max_chars=200,
            on_change=by_hand(place, _set_layers, at, place),
            help=_("A pattern of names, such as conv* or fc?; * stands for all."),
        )
        beside(place)


def _idle(step: MethodStep, task: PredictionTask) -> frozenset[str]:
    """The knobs that would change nothing; one that is set stays, so that it can be set back."""
    fields = type(step.knobs).model_fields
    return frozenset(
        name
        for name, field in fields.items()
        if is_idle(field, task) and getattr(step.knobs, name) == field.default
    )


def _icon(method: TrainingMethod) -> str:
    return ":material/school:" if chosen_plan.says_how_to_judge(method) else ":material/add:"


def _set_knob(at: int, name: str, value: Any) -> None:
    choose(chosen_plan.with_method_knob(chosen_plan.chosen_plan(), at, name, value))


def _set_layers(at: int, place: str) -> None:
    with refused_beside(place, st.session_state[place]):
        _set_knob(at, LAYERS, st.session_state[place])
