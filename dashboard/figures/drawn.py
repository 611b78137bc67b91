"""What every figure function returns, and how a click on it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from compress_core.foundation.csv_table import Provenance, as_csv


@dataclass(frozen=True)
class Drawn:
    """A figure, the same in one or two sentences, and its numbers as a table.

    The alternative is plain text and may hold names from an uploaded file: show it as text, not as markdown.
    """

    figure: go.Figure
    alternative: str
    table: pd.DataFrame

    def csv(self, provenance: Provenance) -> bytes:
        """The table as a file to download, safe to open in a spreadsheet."""
        return as_csv(self.table, provenance)


def clicked(point: Mapping[str, object]) -> tuple[int, ...]:
    """The whole numbers that a clicked point carries.

    Streamlit hands customdata over as a list, or as {"0": ..., "1": ...} when the figure held a typed array.
    """
    carried = point.get("customdata")
    match carried:
        case Mapping():
            return tuple(int(carried[str(i)]) for i in range(len(carried)))
        case Sequence() if not isinstance(carried, str):
            return tuple(int(value) for value in carried)
        case _:
            return ()
