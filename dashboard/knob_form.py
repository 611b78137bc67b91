"""One knob, one widget: what a technique declares becomes what a visitor moves."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from typing import Any

import annotated_types
import streamlit as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from compress_core.foundation.declared_knobs import slider_step, unit_of
from compress_core.foundation.knobs import Magnitudes
from dashboard.bound_widget import beside, by_hand, refused_beside, showing
from dashboard.text import label, translated

MOST_NOTCHES = 16  # a slider with more of them is hard to set


def bounds_of(field: FieldInfo) -> tuple[float | None, float | None]:
    """Lowest and highest value that a knob can take; a bound that is excluded yields by one step."""
    low = high = None
    step = slider_step(field) or 1
    for limit in field.metadata:
        match limit:
            case annotated_types.Ge(ge=value):
                low = typing.cast("float", value)
            case annotated_types.Gt(gt=value):
                low = typing.cast("float", value) + step
            case annotated_types.Le(le=value):
                high = typing.cast("float", value)
            case annotated_types.Lt(lt=value):
                high = typing.cast("float", value) - step
    return low, high


def knob_widget(
    name: str,
    field: FieldInfo,
    value: Any,
    key: str,
    on_change: Callable[[str, Any], None],
    *,
    disabled: bool = False,
) -> Any:
    """The widget of one knob, in the visitor's language, showing a value of the recipe; gives what it shows.

    on_change is called with the name and the value that the widget got.
    """
    unit = unit_of(field)
    text = label(name) + (f" ({translated(unit)})" if unit and unit not in name else "")
    said: dict[str, Any] = {
        "help": translated(field.description or ""),
        "key": showing(key, value),
        "on_change": by_hand(key, _heard, name, key, on_change),
        "disabled": disabled,
    }
    kind = field.annotation
    if typing.get_origin(kind) is typing.Literal:
        return st.selectbox(text, list(typing.get_args(kind)), format_func=label, **said)
    if kind is bool:
        return st.toggle(text, **said)
    if kind is str:
        examples = [str(e) for e in field.examples or []]
        there = st.session_state[key]
        choices = examples if there in examples else [there, *examples]
        return st.selectbox(text, choices, format_func=_choice, accept_new_options=True, **said)
    return _number(text, field, value, said)


def _heard(name: str, key: str, on_change: Callable[[str, Any], None]) -> None:
    with refused_beside(key, st.session_state[key]):
        on_change(name, st.session_state[key])


def _choice(written: str) -> str:
    """A choice that is a word in the visitor's language; one with numbers, such as 2:4, as it is written."""
    return label(written) if written.replace("_", "").isalpha() else written


def _number(text: str, field: FieldInfo, value: Any, said: Mapping[str, Any]) -> Any:
    magnitudes = next((m for m in field.metadata if isinstance(m, Magnitudes)), None)
    if magnitudes is not None:
        zero = (
            {0.0} if any(isinstance(m, annotated_types.Ge) and m.ge == 0 for m in field.metadata) else set()
        )
        there = sorted({*magnitudes.places, float(value), *zero})
        return st.select_slider(text, there, format_func=lambda place: f"{place:g}", **said)
    low, high = bounds_of(field)
    if float in {field.annotation, *typing.get_args(field.annotation)}:
        step = slider_step(field) or 0.01
        if value is not None and field.annotation is float and low is not None and high is not None:
            ends = min(float(low), value), max(float(high), value)  # a link may say what lies between notches
            return st.slider(text, *ends, None, step, format="%.3g", **said)
        lowest = None if low is None else float(low)
        highest = None if high is None else float(high)
        return st.number_input(text, lowest, highest, step=step, format="%.3f", **said)
    lowest_int = None if low is None else int(low)
    highest_int = None if high is None else int(high)
    width = MOST_NOTCHES + 1 if lowest_int is None or highest_int is None else highest_int - lowest_int
    if value is not None and width <= MOST_NOTCHES:
        return st.slider(text, lowest_int, highest_int, None, 1, **said)
    return st.number_input(text, lowest_int, highest_int, step=1, **said)


def knob_form(
    values: BaseModel,
    *,
    without: frozenset[str],
    key: str,
    on_change: Callable[[str, Any], None],
    disabled: bool = False,
) -> dict[str, Any]:
    """Widgets for the knobs of a step, but for those that the page shows in its own way.

    Each shows what the step has. on_change is called with a knob's name and new value, and may raise
    Refused: the sentence then stands below that widget, which keeps what was chosen or typed.
    """
    found: dict[str, Any] = {}
    for name, field in type(values).model_fields.items():
        if name not in without:
            place = f"{key}.{name}"
            value = getattr(values, name)
            found[name] = knob_widget(name, field, value, place, on_change, disabled=disabled)
            beside(place)
    return found
