"""Explain exactly the flips that the gallery shows: the job of Explain, on these items alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import page_files
from dashboard.explain import choice
from dashboard.explain.explain_job import explain_job
from dashboard.show import refusals
from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.measure.behavior.flips import Flips
    from compress_core.subject.split import Split
    from dashboard.view import View


def draw(view: View, model: Model, split: Split, flips: Flips, count: int) -> None:
    """The button and how far the job is; what it found stands on Explain. count: how many flips these are."""
    method = choice.usual_method(model.subject, split)
    if method is None:
        return
    work = explain_job(model, split, method, count, flips, view.seed)
    button, place = st.columns([1, 2], vertical_alignment="center")
    work.button(
        button,
        view,
        label=work.title,
        icon=":material/play_arrow:",
        help=_("Attribution maps of these items before and after, and how alike they are."),
        key="behavior.explain_flips",
    )
    with place, refusals():
        if work.is_done:
            choice.explain_only(flips)
            page_files.link("explain")
        else:
            work.follow()
