"""One item as a person knows it, small: a picture, a wave, or words; a table has no small form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from compress_core.subject.item_words import item_words
from compress_core.subject.wave_form import wave_form
from dashboard.figures.pictures import item_image
from dashboard.figures.wave_lines import wave_picture
from dashboard.text import literal

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject

SIDE = 96


def small_item(place: DeltaGenerator, subject: Subject, split: Split, item: int, *, side: int = SIDE) -> None:
    """Show it in a place; nothing of a table."""
    if subject.input.is_image:
        raw = subject.input.raw(split.inputs[item : item + 1])[0].numpy()
        place.image(item_image(raw, side=side), width=side)
    elif (wave := wave_form(subject)) is not None:
        place.image(wave_picture(wave.of(subject, split, item)), width=2 * side)
    elif subject.input.is_text:
        with place:
            st.markdown(literal(said_by(subject, split, item)))


def said_by(subject: Subject, split: Split, item: int) -> str:
    """The words of an item of text."""
    return item_words(subject.input, split.inputs[item]).said
