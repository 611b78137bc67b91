"""What stands before every answer of the server: headers for browsers, the gate of a class, and a cap.

A browser keeps to the headers: it runs no script but ours, loads nothing from elsewhere, and shows the page
in nobody's frame. A proxy in front of the server passes them on.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

from dashboard.class_gate import ClassGate

MOST_UPLOADED = 160 * 2**20  # bytes of files that lie in the uploaders of one session
_LARGEST_FILE = 64 * 2**20
_UPLOAD = "/_stcore/upload_file/"
_INLINE_SCRIPT = re.compile(r"<script>(.+?)</script>", re.DOTALL)


def _inline_scripts() -> str:
    """Digests of the scripts that stand in Streamlit's own page, so that no other inline script runs."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    digests = (hashlib.sha256(text.encode()).digest() for text in _INLINE_SCRIPT.findall(page))
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


POLICY: Mapping[str, str] = MappingProxyType(
    {
        "default-src": "'self'",
        "script-src": f"'self' 'wasm-unsafe-eval' blob: {_inline_scripts()}",
        "style-src": "'self' 'unsafe-inline'",  # Streamlit writes its styles at run time
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self' data: blob:",
        "worker-src": "'self' blob:",
        "frame-src": "'none'",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
)
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": "; ".join(f"{name} {allowed}" for name, allowed in POLICY.items()),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",  # an address holds the recipe
    }
)


def guards() -> list[Middleware]:
    """What every request goes through."""
    return [Middleware(SafeHeaders), Middleware(ClassGate), Middleware(UploadCap)]


class SafeHeaders:
    """Every answer says what a browser may do with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, with the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class UploadCap:
    """A session's uploaders hold no more than so many bytes; Streamlit itself counts one file at a time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse an upload."""
        if scope["type"] == "http" and scope["method"] == "PUT" and self._is_too_much(scope):
            refusal = PlainTextResponse("The uploaders of this session are full.", status_code=413)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    @staticmethod
    def _is_too_much(scope: MutableMapping[str, Any]) -> bool:
        _, _, rest = str(scope["path"]).partition(_UPLOAD)
        if not rest:
            return False
        announced = Headers(scope=scope).get("content-length", "")
        coming = int(announced) if announced.isdecimal() else _LARGEST_FILE
        return held_by(rest.partition("/")[0]) + coming > MOST_UPLOADED


def held_by(session: str) -> int:
    """Bytes of the files that lie in the uploaders of a session."""
    files = runtime.get_instance().uploaded_file_mgr
    if not isinstance(files, MemoryUploadedFileManager):
        return 0
    return sum(len(file.data) for file in dict(files.file_storage.get(session, {})).values())
