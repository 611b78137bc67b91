"""The table of a model's layers: a click chooses one, cells are typed into, refusals stand in their cell.

Streamlit's own table cannot be clicked to choose a row and edited at once, forgets what was refused, and
asks the server to search. The browser sends what was done in a list that grows until the server has said
that it heard; so nothing is lost where hands are faster than runs, and nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from dashboard.layer_list.layer_row import COLUMNS, Column, LayerRow
from dashboard.text import _

MOST_CHARACTERS, MOST_MESSAGES = 40, 100
_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "slimscope_layer_list",
    css=(_HERE / "layer_list.css").read_text(encoding="utf-8"),
    js=(_HERE / "layer_list.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Chosen:
    """A row was clicked."""

    layer: str


@dataclass(frozen=True)
class Locked:
    """A layer's lock was ticked, or the tick taken out."""

    layer: str
    is_locked: bool


@dataclass(frozen=True)
class Typed:
    """A cell was left or entered with another text than it showed."""

    layer: str
    column: Column
    text: str


Message = Chosen | Locked | Typed


def layer_list(
    rows: Sequence[LayerRow], *, chosen: str, key: str, footnote: str, on_message: Callable[[Message], None]
) -> None:
    """The table; `on_message` is called for all that was done in it, in order, before the run begins."""
    contents = {
        "rows": [row.as_json() for row in rows],
        "chosen": chosen,
        "acknowledged": st.session_state.get(_heard_key(key)),
        "footnote": footnote,
        "words": _words(),
    }
    names = frozenset(row.name for row in rows)
    _mount(
        key=key, data=contents, default={"said": []}, on_said_change=partial(_hear, key, names, on_message)
    )


def _hear(key: str, names: Container[str], on_message: Callable[[Message], None]) -> None:
    for serial, message in unheard(st.session_state.get(key), names, st.session_state.get(_heard_key(key))):
        st.session_state[_heard_key(key)] = serial
        on_message(message)


def unheard(state: object, names: Container[str], heard: object) -> Iterator[tuple[str, Message]]:
    """What a browser has done since the message that was heard last, with serials.

    A browser may send anything: what is no message about one of these layers is passed over.
    """
    match state:
        case {"said": list(said)}:
            found = [one for one in map(_parsed, said[-MOST_MESSAGES:]) if one is not None]
        case _:
            return
    serials = [serial for serial, _ in found]
    start = serials.index(heard) + 1 if heard in serials else 0
    yield from ((serial, message) for serial, message in found[start:] if message.layer in names)


def _parsed(said: object) -> tuple[str, Message] | None:
    match said:
        case {"serial": str(serial), "layer": str(layer), "column": "lock", "value": bool(value)}:
            return serial[:64], Locked(layer, value)
        case {"serial": str(serial), "layer": str(layer), "column": str(column), "value": str(text)}:
            known: Column | None = next((c for c in COLUMNS if c == column), None)
            return None if known is None else (serial[:64], Typed(layer, known, text[:MOST_CHARACTERS]))
        case {"serial": str(serial), "layer": str(layer), "column": "name"}:
            return serial[:64], Chosen(layer)
        case _:
            return None


def _heard_key(key: str) -> str:
    return f"slimscope.layer_list.{key}"


def _words() -> dict[str, object]:
    """The table's own words, in the visitor's language; JavaScript fills in {shown} and {all}."""
    return {
        "table": _("Layers"),
        "search": _("Search layers"),
        "placeholder": _("part of a layer's name or kind"),
        "found": _("{shown} of {all} layers"),
        "none": _("No layer is called so: change what is searched for."),
        "name": _("Layer"),
        "lock": _("Lock"),
        "prune": _("Prune %"),
        "rank": _("Rank"),
        "bits": _("Bits"),
        "size": _("Bytes"),
        "error": _("Output error"),
        "hints": {
            "lock": _("A locked layer is left alone by every rule."),
            "prune": _("The share of weights that the recipe removes; empty: none."),
            "rank": _("The rank of the factors in the layer's place; empty: the layer is whole."),
            "bits": _("Bits for each weight; empty: as loaded."),
            "size": _("Of the layer in the plain file."),
            "error": _("The share of the layer's squared output that its new weights get wrong."),
        },
    }
