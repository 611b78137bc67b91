"""The way in: a demo in one click, and a door for each of the three reasons to come."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from dashboard import state
from dashboard.show import is_dark, refusals
from dashboard.start import opening
from dashboard.start.digits import strip_png
from dashboard.text import _


@dataclass(frozen=True)
class Door:
    """A reason to come, what answers it, and the page where it does."""

    key: str
    icon: str
    who: str
    what: str
    button: str
    page: str

    @property
    def needs_model(self) -> bool:
        """Whether the page shows the open model; lessons bring their own."""
        return self.page != opening.LEARN


def draw_demo() -> None:
    """One sentence and one button that leads to a working demo."""
    words, digits = st.columns([1.9, 1], gap="large", vertical_alignment="center")
    with words:
        st.markdown(
            _(
                "Make a trained network smaller and see at once what that costs: "
                "bytes, accuracy, and which answers change."
            )
        )
        demo = st.button(
            _("Open the demo"), type="primary", icon=":material/play_arrow:", key="slimscope.start.demo"
        )
        st.caption(
            _(
                "LeNet-5 reads handwritten digits. {share} of the weights of its largest layer are removed, "
                "the others kept in {bits} bits; Undo brings all of them back."
            ).format(share=f"{100 * opening.DEMO_SPARSITY:.0f} %", bits=opening.DEMO_BITS)
        )
    with digits:
        st.image(
            strip_png(dark=is_dark()),
            width="stretch",
            alt=_("Handwritten digits that the sample models read"),
        )
    if demo:
        with refusals(), st.spinner(_("Opening the model")):
            opening.open_demo()
            opening.go(opening.TUNE)


def doors() -> tuple[Door, ...]:
    """What each kind of visitor comes for."""
    return (
        Door(
            "explore",
            ":material/tune:",
            _("I am looking for a trade-off"),
            _("Set prune share, rank and bits of each layer; bytes and accuracy follow."),
            _("Tune the layers"),
            opening.TUNE,
        ),
        Door(
            "teach",
            ":material/school:",
            _("I want to show why it works"),
            _("Predict what a change does, turn one knob of a real model, and find out why."),
            _("Take a lesson"),
            opening.LEARN,
        ),
        Door(
            "review",
            ":material/fact_check:",
            _("I have to judge what it does"),
            _("See which items and classes change their answer, and how sure that is."),
            _("Check the behavior"),
            opening.BEHAVIOR,
        ),
    )


def draw_doors() -> None:
    """Three doors; each leads to the open model, to the demo where none is open, or to a lesson."""
    for place, door in zip(st.columns(3, gap="medium"), doors(), strict=True):
        with place.container(border=True, height="stretch", vertical_alignment="distribute"):
            st.markdown(f"{door.icon} **{door.who}**\n\n{door.what}")
            if st.button(
                door.button,
                key=f"slimscope.start.door.{door.key}",
                help=_("With the demo, as no model is open yet") if _opens_demo(door) else None,
                width="stretch",
            ):
                _through(door)


def _opens_demo(door: Door) -> bool:
    return door.needs_model and state.current() is None


def _through(door: Door) -> None:
    with refusals(), st.spinner(_("Opening the model")):
        if _opens_demo(door):
            opening.open_demo()
        opening.go(door.page)
