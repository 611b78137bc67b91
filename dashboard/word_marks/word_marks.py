"""Words on colors: orange speaks against the class, purple for it, all texts of one view on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.figures import palette
from dashboard.figures.contrast import text_on
from dashboard.figures.words import short
from dashboard.text import _

_HERE = Path(__file__).parent
JAVASCRIPT = (_HERE / "word_marks.js").read_text(encoding="utf-8")
_mount = st.components.v2.component(
    "slimscope_word_marks", css=(_HERE / "word_marks.css").read_text(encoding="utf-8"), js=JAVASCRIPT
)
WordValues = NDArray[np.floating[Any]]
STOPS = 9


@dataclass(frozen=True, eq=False)
class WordMarks:
    """Texts of the same words with a number for each, [words] a text; limit: the number of the full color."""

    label: str
    words: Sequence[str]
    texts: Sequence[tuple[str, WordValues]]
    limit: float

    def as_json(self, *, dark: bool) -> dict[str, Any]:
        """What the page draws: a word reads well on its color, in light and dark."""
        return {
            "label": self.label,
            "panels": [
                {"title": title, "words": self._words(values, dark=dark)} for title, values in self.texts
            ],
            "scale": {
                "low": short(-self.limit),
                "high": f"+{short(self.limit)}",
                "note": _("Purple speaks for it, orange against it."),
                "colors": grounds(np.linspace(-1, 1, STOPS), dark=dark),
            },
        }

    def _words(self, values: WordValues, *, dark: bool) -> list[dict[str, str]]:
        shares = np.nan_to_num(np.asarray(values, np.float64)) / self.limit
        return [
            {
                "text": text,
                "ground": ground,
                "ink": text_on(ground),
                "said": f"{text.strip()}: {short(value)}",
            }
            for text, ground, value in zip(
                self.words, grounds(shares, dark=dark), values.tolist(), strict=True
            )
        ]


def grounds(shares: NDArray[np.float64], *, dark: bool) -> list[str]:
    """The colors of shares from -1, orange, to 1, purple; zero is as the page is."""
    places = (np.clip(shares, -1, 1) + 1) / 2
    return palette.colors_at(palette.diverging(dark=dark), places)


def word_marks(marks: WordMarks, key: str, *, dark: bool) -> None:
    """Draw them; words come from files and stay text."""
    _mount(key=key, data=marks.as_json(dark=dark))
