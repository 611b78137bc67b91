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
_FIELDS = {_COMPONENT: "json_value", "button": "trigger_value", "number_input": "double_value"}
_MOST_BYTES = 64 * 2**20
_SECONDS = 300.0
_OFTEN_S = 10.0  # what is asked for less often is not waited for by anybody


@dataclass
class PageVisitor:
    """A tab that is open: `act` does what a click does and returns when the page stands again.

    widgets: the kind of each widget; buttons: the label of each that is one; drawn: what a component of ours
    was given last, JSON; texts: what the page has said since it was asked for last, without Markdown's
    backslashes; metrics: each under its label; fragments: those that the browser asks for by itself, and
    every how many seconds; script: which page runs, as the server calls it.
    """

    connection: ClientConnection
    query: str
    page: str
    widgets: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, str] = field(default_factory=dict)
    drawn: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    metrics: dict[str, str] = field(default_factory=dict)
    fragments: dict[str, float] = field(default_factory=dict)
    script: str = ""

    @classmethod
    async def open(cls, address: str, query: str, page: str, cookie: str = "") -> Self:
        """Open a page as a link does; raises AssertionError where it shows a traceback."""
        connection = await connect(
            f"ws://{address}/_stcore/stream",
            subprotocols=[Subprotocol("streamlit")],
            max_size=_MOST_BYTES,
            open_timeout=_SECONDS,
            ping_timeout=_SECONDS,
            additional_headers={"Cookie": cookie} if cookie else None,
        )
        visitor = cls(connection, query, page)
        await visitor._run({})
        return visitor

    async def act(self, key: str, value: object) -> float:
        """Give the widget with a key another value; wall-clock seconds until the page stands again."""
        return await self.act_together({key: value})

    async def act_together(self, values: Mapping[str, object]) -> float:
        """Give several widgets a value at once, as a form does; seconds until the page stands again."""
        started = time.monotonic()
        await self._run({self.id_of(key): value for key, value in values.items()})
        return time.monotonic() - started

    async def press(self, label: str) -> float:
        """Press the button that says so; seconds until the page stands again."""
        started = time.monotonic()
        await self._run({next(found for found, said in self.buttons.items() if said == label): True})
        return time.monotonic() - started

    async def pause(self, seconds: float) -> None:
        """Do nothing for a while; the browser asks for what it has to ask for meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            often = [every for every in self.fragments.values() if every <= _OFTEN_S]
            await asyncio.sleep(min([left, *often]))
            await self.ask()

    async def ask(self) -> None:
        """Ask now for all that the browser asks for by itself."""
        for fragment in [name for name, every in self.fragments.items() if every <= _OFTEN_S]:
            if fragment in self.fragments:  # another one may have had the page run anew
                await self._run({}, fragment)

    async def until_it_says(self, text: str) -> None:
        """Wait, as a browser that asks by itself, until a text is on the page."""
        async with asyncio.timeout(_SECONDS):
            while not self.says(text):
                await self.pause(min([_OFTEN_S, *self.fragments.values()]))

    def says(self, text: str) -> bool:
        """Whether the page said so since it was asked for last."""
        return any(text in said for said in self.texts)

    async def at_table(self, key: str, layer: str, column: str, value: object = None) -> float:
        """Put a hand on the layer table with a key; a click on a row is one on its name.

        Raises AssertionError where the page stands again and has not heard of it: nothing was measured then.
        """
        serial = uuid4().hex
        said = {"serial": serial, "session": self.table(key)["session"]}
        said |= {"layer": layer, "column": column, "value": value}
        took = await self.act(key, json.dumps({"said": [said]}))
        assert self.table(key)["acknowledged"] == serial, f"{column} of {layer} was not heard"
        return took

    def table(self, key: str) -> Any:
        """What the layer table with a key was given last."""
        return json.loads(self.drawn[self.id_of(key)])

    def id_of(self, key: str) -> str:
        """The full name of the widget whose key begins so, as the page drew it last."""
        return next(found for found in reversed(self.widgets) if f"-{key}" in found)

    async def close(self) -> None:
        """Close the tab."""
        await self.connection.close()

    async def _run(self, changed: Mapping[str, object], fragment: str = "") -> None:
        message = BackMsg()
        message.rerun_script.query_string = self.query
        if fragment:  # where it has the page run anew, the server has to know which
            message.rerun_script.page_script_hash = self.script
        else:
            message.rerun_script.page_name = self.page
        message.rerun_script.fragment_id = fragment
        message.rerun_script.is_auto_rerun = bool(fragment)
        for name, value in changed.items():
            state = message.rerun_script.widget_states.widgets.add()
            state.id = name
            setattr(state, _FIELDS.get(self.widgets[name], "string_value"), value)
        await self.connection.send(message.SerializeToString())
        if not fragment:
            self.texts.clear()
            self.fragments.clear()
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
            case "navigation":  # as a browser: a new session may speak of the page before app.py named it
                self.script = message.navigation.page_script_hash
            case "auto_rerun":
                self.fragments[message.auto_rerun.fragment_id] = message.auto_rerun.interval
            case "script_finished":
                return self._has_ended(message.script_finished)
        return False

    def _has_ended(self, how: int) -> bool:
        """A page that runs anew at once has not: what it said before is gone."""
        if how == _DONE.FINISHED_EARLY_FOR_RERUN:
            self.texts.clear()
            self.fragments.clear()
        return how in (_DONE.FINISHED_SUCCESSFULLY, _DONE.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)

    def _read(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        assert kind != "exception", element.exception.message
        if kind is None:
            return
        drawn = getattr(element, kind)
        if hasattr(drawn, "id"):
            self.widgets.pop(drawn.id, None)
            self.widgets[drawn.id] = kind
            if kind == "button":
                self.buttons[drawn.id] = drawn.label
            if kind == _COMPONENT:
                self.drawn[drawn.id] = drawn.json
        if kind in ("markdown", "alert"):
            self.texts.append(drawn.body.replace("\\", ""))
        if kind == "metric":
            self.metrics[drawn.label] = drawn.body
