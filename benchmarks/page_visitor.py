"""One visitor of a running server, over the connection that a browser would open."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

_DONE = ForwardMsg.ScriptFinishedStatus
_COMPONENT = "bidi_component"
_MOST_BYTES = 64 * 2**20
_SECONDS = 300.0


@dataclass
class PageVisitor:
    """A tab that is open: `act` does what a click does and returns when the page stands again.

    widgets: the kind of each widget; drawn: what a component of ours was given last, JSON.
    """

    connection: ClientConnection
    query: str
    page: str
    widgets: dict[str, str] = field(default_factory=dict)
    drawn: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def open(cls, address: str, query: str, page: str, cookie: str = "") -> Self:
        """Open a page as a link does; raises AssertionError where it shows a traceback.

        cookie: what the browser keeps of earlier visits.
        """
        connection = await connect(
            f"ws://{address}/_stcore/stream",
            subprotocols=[Subprotocol("streamlit")],
            max_size=_MOST_BYTES,
            additional_headers={"Cookie": cookie} if cookie else None,
        )
        visitor = cls(connection, query, page)
        await visitor._run({})
        return visitor

    async def act(self, key: str, value: str) -> float:
        """Give the widget with a key another value; wall-clock seconds until the page stands again."""
        started = time.monotonic()
        await self._run({self.id_of(key): value})
        return time.monotonic() - started

    async def at_table(self, key: str, layer: str, column: str, value: object = None) -> float:
        """Put a hand on the layer table with a key; a click on a row is one on its name.

        Raises AssertionError where the page stands again and has not heard of it: nothing was measured then.
        """
        serial = uuid4().hex
        said = {"serial": serial, "session": self._table(key)["session"]}
        said |= {"layer": layer, "column": column, "value": value}
        took = await self.act(key, json.dumps({"said": [said]}))
        assert self._table(key)["acknowledged"] == serial, f"{column} of {layer} was not heard"
        return took

    def _table(self, key: str) -> Any:
        return json.loads(self.drawn[self.id_of(key)])

    def id_of(self, key: str) -> str:
        """The full name of the widget whose key begins so, as the page drew it last."""
        return next(found for found in reversed(self.widgets) if f"-{key}" in found)

    async def close(self) -> None:
        """Close the tab."""
        await self.connection.close()

    async def _run(self, changed: Mapping[str, str]) -> None:
        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.page_name = self.page
        for name, value in changed.items():
            state = message.rerun_script.widget_states.widgets.add()
            state.id = name
            if self.widgets[name] == _COMPONENT:
                state.json_value = value
            else:
                state.string_value = value
        await self.connection.send(message.SerializeToString())
        async with asyncio.timeout(_SECONDS):
            while not self._is_last(await self.connection.recv()):
                pass

    def _is_last(self, content: str | bytes) -> bool:
        """Read one message; whether the run has ended with it."""
        assert isinstance(content, bytes)
        message = ForwardMsg.FromString(content)
        match message.WhichOneof("type"):
            case "delta":
                self._read(message.delta.new_element)
            case "page_info_changed":
                self.query = message.page_info_changed.query_string
            case "script_finished":
                return bool(message.script_finished == _DONE.FINISHED_SUCCESSFULLY)
        return False

    def _read(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        assert kind != "exception", element.exception.message
        drawn = getattr(element, kind) if kind else None
        if drawn is not None and hasattr(drawn, "id"):
            self.widgets.pop(drawn.id, None)
            self.widgets[drawn.id] = kind
            if kind == _COMPONENT:
                self.drawn[drawn.id] = drawn.json
