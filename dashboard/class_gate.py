"""The gate of a class: whoever comes without its key gets one sentence, and no page, number, file or session.

It stands before all of Streamlit: the page, its websocket, in which sessions begin, uploads and downloads.
"""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from compress_core.face.class_key import KEY
from compress_core.foundation.texts import N_
from dashboard.class_door import SECONDS, ClassDoor, class_door
from dashboard.text import ENGLISH, _, code_of, use_language

ASK = N_("This page is for a class: ask your teacher for its link or QR code, and open that.")
_HEALTH = "/_stcore/health"  # says whether the server runs, and nothing else
_POLICY_VIOLATION = 1008
_PAGE = """<!doctype html><html lang="{code}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Slimscope</title>
<style>:root {{ color-scheme: light dark; font: 1.25rem/1.6 system-ui, sans-serif }}
body {{ max-width: 34rem; margin: 20vh auto; padding: 0 1.5rem }}</style><main>{sentence}</main></html>"""


class ClassGate:
    """Lets through whoever brings the key of the class or its cookie."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with where to get the key."""
        door = class_door()
        if door is None or scope["type"] not in {"http", "websocket"} or scope["path"] == _HEALTH:
            await self._app(scope, receive, send)
            return
        asked = HTTPConnection(scope)
        is_known = door.knows(asked.cookies)
        brought = asked.query_params.get(KEY)
        if scope["type"] == "http" and brought is not None and (is_known or door.opens_to(brought)):
            await _without_key(asked, door)(scope, receive, send)
        elif is_known:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await _sentence(asked)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})


def _without_key(asked: HTTPConnection, door: ClassDoor) -> Response:
    """To the same address without the key, which the browser keeps from now on where no script reads it."""
    query: list[tuple[str, Any]] = [
        (name, said) for name, said in asked.query_params.multi_items() if name != KEY
    ]
    place = "/" + quote(asked.scope["path"].lstrip("/\\"))  # two strokes would lead to another server
    answer = RedirectResponse(f"{place}?{urlencode(query)}" if query else place, status_code=303)
    answer.set_cookie(door.cookie, door.key, max_age=SECONDS, httponly=True, samesite="lax")
    return answer


def _sentence(asked: HTTPConnection) -> Response:
    wishes = (wish.partition(";")[0].strip() for wish in asked.headers.get("accept-language", "").split(","))
    code = next((known for wish in wishes if (known := code_of(wish)) is not None), ENGLISH)
    with use_language(code):
        page = _PAGE.format(code=code, sentence=escape(_(ASK)))
    return HTMLResponse(page, status_code=403, headers={"Cache-Control": "no-store"})
