"""A figure on a page: its title breaks into lines on a phone, and panels side by side keep their width."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.figures.attribution_maps import maps_side_by_side
from dashboard.figures.bytes_by_item import Bytes, bytes_by_item
from dashboard.figures.drawn import Drawn
from dashboard.figures.spectrum import spectrum
from dashboard.show import panels_of

SHEET = (Path(__file__).resolve().parent.parent / "dashboard" / "page_style.css").read_text(encoding="utf-8")
MAP = np.ones((4, 4), np.float32)
DRAWN: dict[int, Drawn] = {
    1: spectrum("fc", np.array([2.0, 1.0])),
    2: bytes_by_item(Bytes(9, 0, 0, 1), Bytes(4, 1, 0, 1)),
    4: maps_side_by_side(MAP, MAP, MAP),
}


@pytest.mark.parametrize("panels", DRAWN)
def test_panels_that_stand_side_by_side_are_counted(panels: int) -> None:
    assert panels_of(DRAWN[panels]) == panels


@pytest.mark.parametrize("panels", [count for count in DRAWN if count > 1])
def test_panels_side_by_side_have_a_least_width_on_a_phone(panels: int) -> None:
    narrow = SHEET[SHEET.index("@media (max-width") :]
    assert f'[class*="st-key-panels_{panels}"] > *' in narrow
    assert ".modebar-container" in narrow


def _page() -> None:
    import numpy as np

    from dashboard.figures.spectrum import spectrum
    from dashboard.show import figure

    figure(spectrum("<b>fc</b>", np.array([2.0, 1.0])), "spectrum")


@pytest.mark.slow
def test_the_title_stands_beside_the_figure_as_text_for_a_phone() -> None:
    app = AppTest.from_function(_page, default_timeout=60).run()
    assert not app.exception
    said = app.markdown[0].value
    assert said.startswith("**Singular values of ")
    assert "A rank left of the break" in said
