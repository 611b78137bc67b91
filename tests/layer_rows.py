"""The layer table of Tune in a test: what it shows, and what a browser says when a hand is on it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Node, UnknownElement

KEY = "tune.table."
HERE = "here"  # stands for the session that the browser talks to
_SERIALS = itertools.count()


def table_of(app: AppTest) -> Any:
    """All that the table was given, as the browser reads it."""
    return json.loads(_element(app).json)


def row_of(app: AppTest, layer: str) -> Any:
    """The row of one layer."""
    return next(row for row in table_of(app)["rows"] if row["id"] == layer)


def choose(app: AppTest, layer: str) -> AppTest:
    """The page after a click on the row of a layer."""
    return say(app, [message(layer, "name", None)])


def enter(app: AppTest, layer: str, column: str, value: object) -> AppTest:
    """The page after something was typed into a cell, or the lock was ticked."""
    return say(app, [message(layer, column, value)])


def message(layer: str, column: str, value: object) -> dict[str, object]:
    """One message as the browser makes it."""
    return {
        "serial": f"test-{next(_SERIALS)}",
        "session": HERE,
        "layer": layer,
        "column": column,
        "value": value,
    }


def say(app: AppTest, said: object) -> AppTest:
    """The page after the table said this, whatever it is."""
    if isinstance(said, list):
        here = {"session": table_of(app)["session"]}
        said = [one | here if isinstance(one, dict) and one.get("session") == HERE else one for one in said]
    states = app._tree.get_widget_states()
    states.widgets.append(WidgetState(id=_element(app).id, json_value=json.dumps({"said": said})))
    return app._run(states)


def _element(app: AppTest) -> Any:
    found = [e.proto for e in _elements(app._tree) if KEY in getattr(e.proto, "id", "")]
    assert len(found) == 1, "one table on the page"
    return found[0]


def _elements(node: Node) -> Iterator[UnknownElement]:
    if isinstance(node, UnknownElement):
        yield node
    for child in getattr(node, "children", {}).values():
        yield from _elements(child)
