"""What each layer gets of a budget, why, and which rows stay so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from compress_core.decide.options import Option, PlaceOptions
from compress_core.foundation.printable import printable
from dashboard.bound_widget import by_hand, showing
from dashboard.number_table import height_of, number_table
from dashboard.show import provenance
from dashboard.text import _
from dashboard.tune.recipe_words import step_words

HELD, LOCKS = "slimscope.budget.held", "budget.locks"
SPLIT = "validation"
_TALLEST = 320
Held = Mapping[str, Sequence[Mapping[str, Any]]]


def held() -> Held:
    """The steps of the rows that this visitor locked, by the key of the place."""
    found: Held = st.session_state.get(HELD, {})
    return found


def draw(places: Sequence[PlaceOptions], options: Sequence[Option], items: int, caption: str) -> None:
    """A row for each layer. places: with all their options, of which prices tell; items: how many."""
    pairs = list(zip(places, options, strict=True))
    number_table(
        pd.DataFrame([_row(place, option) for place, option in pairs]),
        "budget.recipe",
        provenance(split=SPLIT, items=items, lineage=()),
        taken=pd.DataFrame(
            {
                "layer": [place.place for place in places],
                "steps": [str([step.as_json() for step in option.steps]) for option in options],
                "bytes_estimated": [option.cost.packed_bytes for option in options],
                "kl_estimated": [option.kl for option in options],
            }
        ),
        caption=caption,
        column_config={_("Size (bytes)"): st.column_config.NumberColumn(format="localized")},
        height=height_of(len(pairs), _TALLEST),
    )


def draw_locks(places: Sequence[PlaceOptions], options: Sequence[Option]) -> None:
    """Which rows keep what stands in the table now."""
    names, kept = [place.key for place in places], held()
    now = {p.key: [s.as_json() for s in o.steps] for p, o in zip(places, options, strict=True)}
    st.multiselect(
        _("Locked rows keep what they have now"),
        names,
        key=showing(LOCKS, [name for name in names if name in kept]),
        format_func=printable,
        on_change=by_hand(LOCKS, _hold, now),
        placeholder=_("none is locked"),
    )


def _hold(now: Held) -> None:
    """Rows that were locked before keep what they had, others take what stands in the table."""
    before = held()
    st.session_state[HELD] = {name: before.get(name, now[name]) for name in st.session_state[LOCKS]}


def _row(place: PlaceOptions, option: Option) -> dict[str, Any]:
    price = place.prices(option)["price_milder"]
    return {
        _("Layer"): printable(place.place),
        _("What is done"): "; ".join(step_words(step) for step in option.steps) or _("as it is"),
        _("Size (bytes)"): round(option.cost.packed_bytes),
        _("KL (nat)"): f"{option.kl:.2g}",
        _("Price (nat/KiB)"): "–" if price is None else f"{price * 1024:.2g}",
    }
