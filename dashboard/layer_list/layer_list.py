"""The table of a model's layers: a click chooses one, cells are typed into, refusals stand in their cell.

Streamlit's own table cannot be clicked to choose a row and edited at once, forgets what was refused, and
asks the server to search. The browser sends what was done in a list that grows until the server has said
that it heard; so nothing is lost where hands are faster than runs. A message is noted as heard once it is
done: a run that is overtaken in between leaves it to the next one, and doing it twice changes nothing. A
message names the session that it is for: to a server that is new the browser tells again what it tells
nobody else any more, and what the old one has heard is not done again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from dashboard.hearing import hear_all, listen, noted_once_done
from dashboard.layer_list.layer_row import COLUMNS, Column, LayerRow
from dashboard.live_slider.live_slider import MOVED_KNOBS
from dashboard.session_word import session_word
from dashboard.text import _

MOST_CHARACTERS, MOST_MESSAGES = 40, 100
_HERE = Path(__file__).parent
JAVASCRIPT = "\n".join([(_HERE / "layer_list.js").read_text(encoding="utf-8"), MOVED_KNOBS])
_mount = st.components.v2.component(
    "slimscope_layer_list",
    css=(_HERE / "layer_list.css").read_text(encoding="utf-8"),
    js=JAVASCRIPT,
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
    rows: Sequence[LayerRow],
    *,
    chosen: str,
    key: str,
    footnote: str,
    on_message: Callable[[Message], None],
    recipe: str = "",
    hidden: Collection[str] = (),
    held: Collection[str] = (),
) -> None:
    """The table; `on_message` is called for all that was done in it, in order, before the run begins.

    recipe: of which the rows are; once a knob is moved, those of its layers are stale until it is another.
    hidden: editable columns that are not shown; held: those that a link locked, shown and read only.
    It may be called again for what it was interrupted in, and has to leave what it did as it is then.
    """
    contents = {
        "rows": [row.as_json() for row in rows],
        "chosen": chosen,
        "acknowledged": st.session_state.get(_heard_key(key)),
        "session": session_word(),
        "key": _heard_key(key),
        "footnote": footnote,
        "recipe": recipe,
        "hidden": [column for column in COLUMNS if column in hidden],
        "held": [column for column in COLUMNS if column in held],
        "words": _words(),
    }
    names = frozenset(row.name for row in rows)
    listen(key, partial(_hear, key, names, on_message))
    _mount(key=key, data=contents, default={"said": []}, on_said_change=hear_all)


def _hear(key: str, names: Container[str], on_message: Callable[[Message], None]) -> None:
    """Do, then note: every access to the session may end a run that was overtaken."""
    said, heard = st.session_state.get(key), st.session_state.get(_heard_key(key))
    for serial, message in unheard(said, names, heard, session_word()):
        with noted_once_done(_heard_key(key), serial):
            on_message(message)


def unheard(
    state: object, names: Container[str], heard: object, session: str
) -> Iterator[tuple[str, Message]]:
    """What a browser has done since the message that was heard last and told this session, with serials.

    A browser may send anything: what is no message about one of these layers is passed over.
    """
    match state:
        case {"said": list(said)}:
            told = (one for one in said[-MOST_MESSAGES:] if _is_told(one, session))
            found = [one for one in map(_parsed, told) if one is not None]
        case _:
            return
    serials = [serial for serial, _ in found]
    start = serials.index(heard) + 1 if heard in serials else 0
    yield from ((serial, message) for serial, message in found[start:] if message.layer in names)


def _is_told(said: object, session: str) -> bool:
    match said:
        case {"session": str(told)}:
            return told == session
        case _:
            return False


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
        "stale": _("stale"),
        "name": _("Layer"),
        "lock": _("Lock"),
        "held": _("Locked by the link"),
        "prune": _("Prune %"),
        "rank": _("Rank"),
        "bits": _("Bits"),
        "size": _("Bytes"),
        "error": _("Output error"),
        "sensitivity": _("Sensitivity"),
        "hints": {
            "lock": _("A locked layer is left alone by every rule."),
            "prune": _("The share of weights that the recipe removes; empty: none."),
            "rank": _("The rank of the factors in the layer's place; empty: the layer is whole."),
            "bits": _("Bits for each weight; empty: as loaded."),
            "size": _("Of the layer in the plain file."),
            "sensitivity": _(
                "How much it hurts to compress this layer alone, as Trade-offs measured it: low below "
                "0.01 nat, high from 0.1 nat on."
            ),
            "error": _("The share of the layer's squared output that its new weights get wrong."),
        },
    }
