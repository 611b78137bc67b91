"""Bars of what both models answer to one item; where answers were worked out ahead, they follow the knob.

The original's bars stay. Those of the compressed model are of the recipe, and while a knob stands elsewhere
of the nearest of its places that was worked out, or marked as stale where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.figures.item_answers import answer_said
from dashboard.figures.words import percent
from dashboard.text import _

MOST_CLASSES = 4
_HERE = Path(__file__).parent
JAVASCRIPT = (_HERE / "item_bars.js").read_text(encoding="utf-8")
_mount = st.components.v2.component(
    "slimscope_item_bars", css=(_HERE / "item_bars.css").read_text(encoding="utf-8"), js=JAVASCRIPT
)
Shares = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class AnswersAhead:
    """What the compressed model would answer at some places of a knob: shares [places, C]."""

    values: Sequence[float]
    texts: Sequence[str]
    shares: Sequence[Shares]


@dataclass(frozen=True, eq=False)
class ItemBars:
    """Probabilities [C] that both models give one item, NaN for none; ahead by the key of a knob."""

    classes: Sequence[str]
    before: Shares
    after: Shares
    ahead: Mapping[str, AnswersAhead]

    def as_json(self) -> dict[str, object]:
        """Few classes, those that any of these answers is surest of; an answer says its class in words."""
        every = [self.before, self.after, *(row for table in self.ahead.values() for row in table.shares)]
        surest = np.argsort(-np.nan_to_num(np.stack(every)).max(axis=0), kind="stable")[:MOST_CLASSES]
        return {
            "classes": [self.classes[number] for number in surest],
            "before": self._answer(_("Original"), self.before, surest),
            "after": self._answer(_("Compressed"), self.after, surest),
            "ahead": {
                knob: {
                    "values": [float(value) for value in table.values],
                    "texts": list(table.texts),
                    "answers": [self._answer(_("Compressed"), row, surest) for row in table.shares],
                }
                for knob, table in self.ahead.items()
            },
        }

    def _answer(self, model: str, shares: Shares, classes: NDArray[np.intp]) -> dict[str, object]:
        known = [float(share) if np.isfinite(share) else None for share in shares[classes]]
        return {
            "said": answer_said(model, self.classes, shares),
            "shares": known,
            "texts": ["" if share is None else percent(share) for share in known],
        }


def item_bars(bars: ItemBars, key: str) -> None:
    """Draw them; the names of classes come from files and stay text."""
    words = {
        "title": _("How sure the models are"),
        "before": _("Original"),
        "after": _("Compressed"),
        "stale": _("stale: of the recipe before"),
        "here": _("at {place}"),
        "nearest": _("at {place}, the nearest of {count} places worked out"),
    }
    _mount(key=key, data=bars.as_json() | {"words": words})
