"""What a visitor wants of a budget: least change within a size, or the smallest file within a drop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from compress_core.decide.requirements import Aim, Requirements
from compress_core.foundation.declared_knobs import validated
from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_
from dashboard.bound_widget import by_hand, showing
from dashboard.figures.words import in_bytes, whole
from dashboard.knob_form import knob_form
from dashboard.shared_choice import SharedChoice
from dashboard.text import _

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

SLIDER, TYPED, WISHED = "budget.slider", "budget.bytes", "budget.wish"
SIZE, DROP = "size", "drop"
WISHES = {SIZE: N_("within a size"), DROP: N_("within a drop")}
USUAL_SHARE, USUAL_DROP = 0.1, 1.0
_MOST_DIGITS = 12


def _whole_bytes(text: str) -> int | None:
    return int(text) if text.isdecimal() and 0 < len(text) <= _MOST_DIGITS else None


def _limits(text: str) -> str | None:
    """A text such as worst_class:5;macs:100000, where it says what can be limited."""
    try:
        limits_of(text)
    except (ValueError, Refused):
        return None
    return text


def limits_of(text: str) -> dict[str, float]:
    """The limits that a text names; raises ValueError for no numbers, Refused for what cannot be."""
    pairs = (each.split(":", 1) for each in text.split(";") if each)
    found: dict[str, float] = {}
    for name, number in pairs:
        found[name] = int(number) if number.isdecimal() else float(number)
    validated("budget", Requirements, {"packed_bytes": 1, **found})
    return found


WISH: SharedChoice[str] = SharedChoice("wish", SIZE, lambda text: text if text in WISHES else None)
BYTES: SharedChoice[int] = SharedChoice("budget", 0, _whole_bytes)
MORE: SharedChoice[str] = SharedChoice("hold", "", _limits)


def stays_in_the_link() -> None:
    """What was chosen is carried on by the page's link while no widget shows it yet."""
    for choice in (WISH, BYTES, MORE):
        choice.chosen()


def wished(original: float) -> Requirements:
    """What must hold now; original: bytes of the packed model as it is."""
    more: dict[str, Any] = limits_of(MORE.chosen())
    if WISH.chosen() == SIZE:
        budget = BYTES.chosen() or round(USUAL_SHARE * original)
        return validated("budget", Requirements, {"packed_bytes": budget, **more})
    if not {"largest_drop", "worst_class"} & set(more):
        more["largest_drop"] = USUAL_DROP
    return validated("budget", Requirements, {"optimize": Aim.PACKED_BYTES, **more})


def draw(budgets: Sequence[int], wanted: Requirements, original: float) -> None:
    """Which of the two, how much of it, and what else must hold. budgets: that can be looked up, bytes."""
    which, amount, more = st.columns([1.5, 3.6, 1.5], vertical_alignment="bottom", gap="medium")
    which.segmented_control(
        _("The best model"),
        list(WISHES),
        format_func=lambda name: _(WISHES[name]),
        key=showing(WISHED, WISH.chosen()),
        on_change=by_hand(WISHED, lambda: WISH.choose(st.session_state[WISHED])),
        required=True,
    )
    shown = ("largest_drop", "worst_class") if WISH.chosen() == DROP else ()
    with amount:
        if shown:
            _numbers(wanted, shown, st.columns(2, vertical_alignment="bottom"))
        else:
            _size(budgets, wanted.packed_bytes or 0, original)
    with more:
        _popover(wanted, frozenset({"optimize", "packed_bytes", *shown}))


def _size(budgets: Sequence[int], budget: int, original: float) -> None:
    """The slider over all budgets, and a box for an exact one; both say the same.

    A browser tells by its words where a slider stands: no two places may have the same.
    """
    nearest = min(range(len(budgets)), key=lambda at: abs(budgets[at] - budget))
    slide, box = st.columns([2.6, 1], gap="medium", vertical_alignment="bottom")
    slide.select_slider(
        _("Packed file, at most"),
        list(range(len(budgets))),
        format_func=lambda at: _told(budget if at == nearest else budgets[at]),
        key=showing(SLIDER, nearest),
        on_change=by_hand(SLIDER, lambda: BYTES.choose(budgets[st.session_state[SLIDER]])),
        help=_("As loaded it takes {size}.").format(size=in_bytes(original)),
    )
    box.number_input(
        _("Bytes"),
        min_value=1,
        step=100,
        key=showing(TYPED, budget),
        on_change=by_hand(TYPED, lambda: BYTES.choose(int(st.session_state[TYPED]))),
    )


def _told(size: int) -> str:
    return _("{count} bytes").format(count=whole(size))


def _popover(wanted: Requirements, without: frozenset[str]) -> None:
    others = [name for name in Requirements.model_fields if name not in without]
    count = sum(getattr(wanted, name) is not None for name in others)
    title = _("More limits") if not count else _("More limits: {count}").format(count=count)
    with st.popover(title, icon=":material/rule:", width="stretch"):
        st.caption(_("Solving keeps all of them; what is looked up at once minds the packed file alone."))
        _numbers(wanted, others)


def _numbers(wanted: Requirements, names: Sequence[str], places: Sequence[DeltaGenerator] = ()) -> None:
    """A box for each limit, empty where there is none."""
    for number, name in enumerate(names):
        with places[number] if places else st.container():
            knob_form(
                wanted,
                without=frozenset(Requirements.model_fields) - {name},
                key="budget",
                on_change=_limit,
            )


def _limit(name: str, value: float | None) -> None:
    """Set one limit, or take it away; raises Refused and changes nothing."""
    limits: dict[str, float] = {**limits_of(MORE.chosen())}
    limits.pop(name, None)
    if value is not None:
        limits[name] = value
    validated("budget", Requirements, {"packed_bytes": 1, **limits})
    MORE.choose(said(limits))


def said(limits: Mapping[str, float]) -> str:
    """Limits as a text for a link."""
    return ";".join(f"{name}:{value}" for name, value in limits.items())
