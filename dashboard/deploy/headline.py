"""The answer in four numbers, each measured or said not to be."""

from __future__ import annotations

import streamlit as st

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.measure.speed.latency import Bar
from compress_core.measure.speed.runtime import REFERENCE
from dashboard.deploy import job_results
from dashboard.figures.words import in_bytes
from dashboard.header_numbers import WAITING
from dashboard.show import interval_text, number_text
from dashboard.text import _


def draw(model: Model) -> None:
    """Bytes of both files of ours, and times faster one by one and at best."""
    original = Model.original(model.subject).file_bytes
    plain, packed, torch_column, best_column = st.columns(4)
    _bytes(plain, _("Plain file"), model.file_bytes, original)
    size = job_results.packed_size(model)
    _bytes(packed, _("Packed file"), None if size is None else int(size.value or 0), original)
    bars = _bars(model)
    first = [bar for bar in bars if bar.runtime.name == REFERENCE and bar.batch == 1]
    _times(torch_column, _("Times faster in torch, one item"), first)
    _best(best_column, bars)


def _bars(model: Model) -> list[Bar]:
    """The compressed model's bars of this very recipe, none before they were measured."""
    try:
        measured = job_results.latency_job(model).result()
    except Refused:  # without items nothing can be timed: the tab on speed says so
        return []
    return [] if measured is None else [b for b in measured.latency.bars() if b.whose == "compressed"]


def _bytes(place: st.delta_generator.DeltaGenerator, title: str, size: int | None, original: int) -> None:
    if size is None:
        _metric(place, title, WAITING, _("being worked out"))
        return
    said = _("{ratio}x smaller") if size < original else _("{ratio}x of the original")
    ratio = original / size if size < original else size / original
    _metric(place, title, in_bytes(size), said.format(ratio=f"{ratio:.2f}" if ratio < 2 else f"{ratio:.1f}"))


def _times(place: st.delta_generator.DeltaGenerator, title: str, bars: list[Bar]) -> None:
    if not bars:
        _metric(place, title, _("not measured"), _("measure it below"))
        return
    _metric(place, title, number_text(bars[0].ratio), interval_text(bars[0].ratio))


def _best(place: st.delta_generator.DeltaGenerator, bars: list[Bar]) -> None:
    """The runtime that gains most, if any surely does."""
    title = _("Times faster at best")
    sure = [bar for bar in bars if bar.ratio.low is not None and bar.ratio.low > 1]
    if not bars:
        _metric(place, title, _("not measured"), _("measure it below"))
    elif not sure:
        _metric(place, title, _("not faster"), _("no runtime surely is"))
    else:
        bar = max(sure, key=lambda bar: bar.ratio.value or 0.0)
        where = _("{runtime}, batch of {batch}").format(runtime=_(bar.runtime.title), batch=bar.batch)
        _metric(place, title, number_text(bar.ratio), where)


def _metric(place: st.delta_generator.DeltaGenerator, title: str, value: str, below: str) -> None:
    place.metric(title, value, below, delta_color="off", delta_arrow="off", border=True)
