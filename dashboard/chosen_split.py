"""On which items a page judges: validation, on which people choose, or test, which counts its looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import engine
from dashboard.shared_choice import SharedChoice
from dashboard.text import _
from dashboard.visitor import visitor

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject

CHOOSING, REPORTING = "validation", "test"
WIDGET = "slimscope.split"
_CHOICE = SharedChoice("split", CHOOSING, lambda text: text if text in {CHOOSING, REPORTING} else None)


def offered(subject: Subject) -> tuple[str, ...]:
    """The splits on which this model can be judged; who chooses looks at the first one."""
    return tuple(name for name in (CHOOSING, REPORTING) if name in subject.splits)


def chosen_split(subject: Subject) -> Split:
    """The split that the visitor chose; raises Refused where there are no items."""
    wish = _CHOICE.chosen()
    return subject.split(wish if wish in subject.splits else CHOOSING)


def choose(name: str) -> None:
    """Judge on these items from the next run on."""
    _CHOICE.choose(name)


def draw(place: DeltaGenerator, subject: Subject) -> None:
    """The choice, where there is one."""
    names = offered(subject)
    if len(names) < 2:
        return
    st.session_state[WIDGET] = chosen_split(subject).name
    place.segmented_control(
        _("Judged on"),
        names,
        format_func=lambda name: f"{_(name)} (N = {len(subject.split(name)):,})",
        key=WIDGET,
        on_change=lambda: _CHOICE.choose(st.session_state[WIDGET]),
        required=True,
        help=_("Choose recipes on validation items. Test items report on the one you chose, at the end."),
    )


def count_look(model: Model, split: Split) -> None:
    """Note that this model is looked at on test items, and say how many were.

    Raises Refused where that cannot be noted.
    """
    if split.name != REPORTING:
        return
    from compress_core.measure.behavior.evaluate import look_place

    looks = engine.workspace().looks
    place = (visitor(), *look_place(model.subject, split))
    count = looks.note(*place, model.key) if model.is_changed else looks.count(*place)
    if count == 0:
        st.info(
            _("Test items: choose a recipe on validation items, and look at it here once, at the end."),
            icon=":material/visibility:",
        )
    elif count == 1:
        st.info(
            _("The first compressed model that you look at on the test items: this look says most."),
            icon=":material/visibility:",
        )
    else:
        st.warning(
            _("Looked at the test items {count:,} times: each look makes the next less telling.").format(
                count=count
            ),
            icon=":material/visibility:",
        )
