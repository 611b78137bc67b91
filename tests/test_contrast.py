"""What is written can be read: contrast of every text of every figure, in both themes, by WCAG 2.2."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.figures import palette, pictures
from dashboard.figures.changes import flips_matrix
from dashboard.figures.contrast import (
    LEAST_OF_SHAPES,
    LEAST_OF_TEXT,
    contrast,
    laid_over,
    legible,
    text_on,
)
from dashboard.figures.coupling_graph import Node, coupling
from dashboard.figures.drawn import Drawn
from dashboard.figures.network_diagram import network_diagram
from tests.test_figures import LARGE, _boxes

THEMES = {False: "light", True: "dark"}
CONFIG = tomllib.loads((Path(__file__).parent.parent / ".streamlit" / "config.toml").read_text("utf-8"))
COLORS = st.integers(0, 2**24 - 1).map(lambda number: f"#{number:06x}")
SPAN = re.compile(r"color:\s*(#\w{6}|rgba?\([^)]*\))")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.48), ("rgb(118,118,118)", "#ffffff", 4.54)],
)
def test_contrast_is_that_of_the_guidelines(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.005)
    assert contrast(other, one) == contrast(one, other)


@given(COLORS)
def test_black_or_white_reads_well_on_any_color(ground: str) -> None:
    assert contrast(text_on(ground), ground) >= LEAST_OF_TEXT


@given(COLORS)
def test_a_color_becomes_legible_and_stays_as_it_is_where_it_was(color: str) -> None:
    for ink in (palette.LIGHT, palette.DARK):
        text = legible(color, ink.page, ink.text)
        assert contrast(text, ink.page) >= LEAST_OF_TEXT
        assert (text == color) == (contrast(color, ink.page) >= LEAST_OF_TEXT)


def test_what_is_laid_over_is_seen_in_its_share() -> None:
    assert laid_over("rgba(0,0,0,0.5)", "#ffffff") == "#808080"
    assert laid_over("#123456", "#ffffff") == "#123456"


@pytest.mark.parametrize("dark", [False, True])
def test_the_palette_knows_the_page_of_each_theme(dark: bool) -> None:
    assert palette.ink(dark=dark).page == CONFIG["theme"][THEMES[dark]]["backgroundColor"].lower()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("ink", ["text", "muted"])
@pytest.mark.parametrize("ground", ["page", "surface"])
def test_both_inks_read_well_on_page_and_hover_labels(dark: bool, ink: str, ground: str) -> None:
    colors = palette.ink(dark=dark)
    assert contrast(getattr(colors, ink), getattr(colors, ground)) >= LEAST_OF_TEXT


def _flips(dark: bool) -> Drawn:
    """Every shade of the scale, with numbers in the cells."""
    counts = np.arange(400).reshape(20, 20)
    return flips_matrix(pd.DataFrame(counts), [f"c{i}" for i in range(20)], marked=(1, 2), dark=dark)


def _coupling(dark: bool) -> Drawn:
    nodes = [Node("conv1", "producer", 8, 4), Node("bn1", "between", 8, 4), Node("fc", "consumer", 8, 4)]
    return coupling("conv1", nodes, [("conv1", "bn1"), ("bn1", "fc")], dark=dark)


DRAWN = {
    **{name: lambda dark, make=make: make("name", dark) for name, make in LARGE.items()},
    "flips_with_numbers": _flips,
    "coupling": _coupling,
    "network_diagram": lambda dark: network_diagram(_boxes("name", 12), "name7", dark=dark),
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", DRAWN)
def test_every_text_of_a_figure_reads_well_on_what_lies_behind_it(name: str, dark: bool) -> None:
    texts = list(_texts(DRAWN[name](dark).figure, palette.ink(dark=dark)))
    assert len(texts) >= 3, "a figure has a font, a title and hover labels"
    faint = {(said, text, ground) for said, text, ground in texts if contrast(text, ground) < LEAST_OF_TEXT}
    assert not faint


def _texts(figure: go.Figure, colors: palette.Ink) -> Iterator[tuple[str, str, str]]:
    """What it is, its color, and the color behind it."""
    common = figure.layout.template.layout
    yield "font", common.font.color, colors.page
    yield "title", figure.layout.title.font.color, colors.page
    yield "hover", common.hoverlabel.font.color, common.hoverlabel.bgcolor
    layout = figure.to_dict()["layout"]  # many times as fast as plotly's objects
    for said in _strings(layout):
        for color in SPAN.findall(said):
            yield said, color, colors.page
    for note in layout.get("annotations", ()):
        ground = laid_over(note.get("bgcolor") or colors.page, colors.page)
        yield f"note {note['text']}", note.get("font", {}).get("color") or common.font.color, ground
    for menu in figure.layout.updatemenus:
        yield "button", menu.font.color, menu.bgcolor
    for trace in figure.data:
        yield from _written(trace, figure, colors)


def _written(trace: Any, figure: go.Figure, colors: palette.Ink) -> Iterator[tuple[str, str, str]]:
    if isinstance(trace, go.Scatter) and "text" in (trace.mode or ""):
        shades = np.broadcast_to(np.asarray(trace.textfont.color, dtype=object), len(trace.x))
        behind = _cells(figure, colors.page)
        for x, y, said, color in zip(trace.x, trace.y, trace.text, shades, strict=True):
            yield f"cell {said}", color, behind.get((int(y), int(x)), colors.page)
    if isinstance(trace, go.Bar) and trace.text is not None and any(trace.text):
        assert trace.textposition in {"inside", "outside"}
        inside = trace.textposition == "inside"
        font = trace.insidetextfont.color if inside else (trace.textfont.color or colors.text)
        yield f"bar {trace.name}", font, laid_over(trace.marker.color, colors.page) if inside else colors.page


def _cells(figure: go.Figure, page: str) -> dict[tuple[int, int], str]:
    """The color of each cell of the heatmaps that has a value."""
    found = {}
    for trace in figure.data:
        if isinstance(trace, go.Heatmap):
            rows, columns = np.nonzero(np.isfinite(trace.z))
            shares = (trace.z[rows, columns] - trace.zmin) / (trace.zmax - trace.zmin)
            scale = [(place, laid_over(color, page)) for place, color in trace.colorscale]
            found |= dict(zip(zip(rows, columns, strict=True), palette.colors_at(scale, shares), strict=True))
    return found


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list | tuple | np.ndarray):
        for part in value:
            yield from _strings(part)


def test_the_least_of_a_map_stands_out_from_a_dark_page() -> None:
    least = palette.sequential(dark=True)[0][1]
    assert contrast(least, palette.DARK.page) >= LEAST_OF_SHAPES


def colorfulness(color: str) -> int:
    """0 for gray, 255 for a color without any."""
    channels = bytes.fromhex(laid_over(color, palette.DARK.page)[1:])
    return max(channels) - min(channels)


def test_no_value_of_a_map_on_a_dark_page_looks_like_one_that_was_not_measured() -> None:
    shades = palette.colors_at(palette.sequential(dark=True), np.linspace(0, 1, 11))
    assert colorfulness(palette.DARK.neutral) < 30
    assert min(map(colorfulness, shades)) > 90


def test_zero_does_not_glare_on_a_dark_page_and_both_ends_stand_out() -> None:
    negative, zero, positive = palette.colors_at(palette.diverging(dark=True), np.array([0, 0.5, 1]))
    assert contrast(zero, palette.DARK.page) < 1.3
    assert min(contrast(negative, zero), contrast(positive, zero)) >= LEAST_OF_TEXT


@pytest.mark.parametrize("dark", [False, True])
def test_a_stronger_value_of_a_map_stands_out_more(dark: bool) -> None:
    zero, *stronger = palette.colors_at(palette.diverging(dark=dark), np.linspace(0.5, 1, 6))
    ratios = [contrast(color, zero) for color in stronger]
    assert ratios == sorted(ratios)


def test_a_picture_of_a_map_is_dark_where_the_page_is() -> None:
    values = np.zeros((2, 2), np.float32)
    light, dark = (pictures.map_image(values, 1.0, dark=dark) for dark in (False, True))
    assert light != dark
