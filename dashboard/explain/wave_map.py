"""A wave and what of it speaks for or against what is asked, at full size and in the gallery."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from compress_core.foundation.csv_table import Provenance
from compress_core.measure.explain.explanation import Explanation
from compress_core.subject.wave_form import WaveForm
from dashboard.figures.drawn import Drawn
from dashboard.figures.wave_lines import wave_lines, wave_picture
from dashboard.show import figure, is_dark
from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject

RATE, WIDGET = "slimscope.explain.sample_rate", "explain.sample_rate"
MOST_RATE = 10_000_000
DrawnOnce = Callable[[str, Callable[[], Drawn]], Drawn]
"""Gives a figure by its name; it is drawn the first time."""


def draw(
    subject: Subject,
    split: Split,
    item: int,
    found: Explanation,
    form: WaveForm,
    kept: DrawnOnce,
    about: Provenance,
) -> None:
    """The wave twice, as both models hear it, over samples, or over seconds where the rate is told."""
    rate = _rate()
    wave, before, after = form.of(subject, split, item), found.before[0], found.after[0]
    drawn = kept(f"wave at {rate}", lambda: wave_lines(wave, before, after, rate=rate, dark=is_dark()))
    figure(drawn, "explain.wave", about)


def _rate() -> float | None:
    """Samples a second, as far as it is told; kept while other pages are looked at."""
    st.session_state[WIDGET] = st.session_state.get(RATE, 0)
    told = st.number_input(
        _("Samples a second"),
        0,
        MOST_RATE,
        step=1000,
        key=WIDGET,
        on_change=_keep_rate,
        help=_("Of the recording, such as 16,000; at 0 it is not known, and time is counted in samples."),
        width=220,
    )
    return float(told) if told else None


def _keep_rate() -> None:
    st.session_state[RATE] = st.session_state[WIDGET]


def pictures(
    subject: Subject,
    split: Split,
    item: int,
    found: Explanation,
    place: int,
    form: WaveForm,
) -> list[bytes]:
    """The wave alone, and as both models hear it; place: which of the explained items it is."""
    wave, maps, dark = form.of(subject, split, item), found.maps(place), is_dark()
    return [
        wave_picture(wave),
        *(wave_picture(wave, values, maps.limit, dark=dark) for values in (maps.before, maps.after)),
    ]
