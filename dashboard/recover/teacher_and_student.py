"""What distillation is about, for one item: soft answers of teacher and student at the temperature set."""

from __future__ import annotations

from functools import partial

import streamlit as st

from compress_core.apply.model import Model
from compress_core.subject.answer_kind import PredictionTask
from compress_core.subject.split import Split
from compress_core.training.class_objective import LabelObjective
from compress_core.training.objective_of_kind import objective_of
from compress_core.training.plan import MethodStep, Plan
from compress_core.training.soft_answers import soft_answers
from compress_core.training.training_run import VALIDATION
from dashboard import engine
from dashboard.explain import choice
from dashboard.explain.one_item import class_name
from dashboard.figures.soft_targets import soft_targets
from dashboard.item_number import say_number_in_file
from dashboard.item_view import small_item
from dashboard.knob_form import knob_widget
from dashboard.recover.chosen_plan import choose, chosen_plan, with_method_knob
from dashboard.show import about_item, figure, is_dark
from dashboard.text import _, literal

METHOD, KNOB = "distill", "temperature"
WIDGET = "recover.item"


def draw(model: Model, plan: Plan) -> None:
    """Item and temperature beside the bars; nothing without distillation or without classes."""
    at = next((at for at, step in enumerate(plan.steps) if step.method.name == METHOD), None)
    if at is None or not model.subject.answers.has_classes:
        return
    split = model.subject.split(VALIDATION)
    place, bars = st.columns([1, 2.6], gap="medium")
    with place:
        temperature = _temperature(plan.steps[at], at)
        last = len(split) - 1
        st.session_state[WIDGET] = min(st.session_state.get(choice.ITEM, 0), last)
        item = int(
            st.number_input(
                _("Item, 0 to {last:,}").format(last=last),
                0,
                last,
                step=1,
                key=WIDGET,
                on_change=lambda: choice.show(int(st.session_state[WIDGET])),
            )
        )
        say_number_in_file(split, item)
        small_item(st.container(), model.subject, split, item)
        _label(model, split, item)
    teacher, student = (
        soft_answers(one, split, item, temperature, engine.store())
        for one in (Model.original(model.subject), model)
    )
    assert teacher is not None, "a model with classes"
    assert student is not None, "a model with classes"
    apart = isinstance(objective_of(model.subject.answers), LabelObjective)
    names = list(model.subject.classes[: len(teacher)])
    drawn = soft_targets(names, teacher, student, temperature, apart=apart, dark=is_dark())
    with bars:
        figure(drawn, "recover.soft", about_item(split, item))


def _label(model: Model, split: Split, item: int) -> None:
    """The right answer where an item has one; of several labels those that hold."""
    if split.labels is None:
        return
    told = split.labels[item]
    if model.subject.task is PredictionTask.LABELS:
        names = [name for name, holds in zip(model.subject.classes, told.tolist(), strict=True) if holds]
        st.caption(_("Labels: {labels}.").format(labels=literal(", ".join(names) or _("none"))))
    elif told.ndim == 0:
        st.caption(_("Label {label}.").format(label=literal(class_name(model, int(told)))))


def _temperature(step: MethodStep, at: int) -> float:
    value: float = getattr(step.knobs, KNOB)
    field = type(step.knobs).model_fields[KNOB]
    knob_widget(KNOB, field, value, "recover.soft.temperature", partial(_set_temperature, at))
    return value


def _set_temperature(at: int, name: str, value: object) -> None:
    choose(with_method_knob(chosen_plan(), at, name, value))
