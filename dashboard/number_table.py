"""A table that sorts and is searched, with its numbers to take away as a file that says what they are of.

The tool bar of Streamlit's table has a download of its own, which names no model, no recipe and no items,
and holds the words of one language: page_style.css takes it away, and the CSV below the table replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

import streamlit as st

from dashboard.show import csv_button

if TYPE_CHECKING:
    import pandas as pd

    from compress_core.foundation.csv_table import Provenance

ROW_PX = 36
PLACE_PX, PADDING_PX = 6.7, 18


def height_of(rows: int, most: int) -> int:
    """Pixels of a table with so many rows, its head included; from some height on it scrolls."""
    return min(ROW_PX * (rows + 1) + 3, most)


def width_of(texts: Iterable[str], least: int, most: int) -> int:
    """Pixels of a column in which the longest text is read whole; a Chinese sign is twice as wide."""
    places = max((sum(1 + (east_asian_width(sign) in "WF") for sign in text) for text in texts), default=0)
    return min(max(least, PADDING_PX + round(places * PLACE_PX)), most)


def number_table(
    shown: pd.DataFrame,
    name: str,
    of: Provenance | None = None,
    *,
    taken: pd.DataFrame | None = None,
    caption: str = "",
    **drawn: Any,
) -> Any:
    """Draw a table and its CSV; gives what was selected.

    name: of the file and its button; taken: what the file holds, in words that no language changes, where
    that is not what is shown; caption: beside the button; drawn: as `st.dataframe` takes it.
    """
    selected = st.dataframe(shown, width="stretch", **{"hide_index": True, **drawn})
    words, download = st.columns([5, 1])
    words.caption(caption)
    csv_button(download, name, shown if taken is None else taken, of)
    return selected
