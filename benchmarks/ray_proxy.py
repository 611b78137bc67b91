"""Something between a server and a cluster that changes what the logs of jobs say on their way."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.ray_machine import DASHBOARD

Change = Callable[[str], str]
_SECONDS = 60


@contextmanager
def changing_logs(change: Change) -> Iterator[str]:
    """The address of a proxy before the cluster; change(log): what arrives of it."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            pass

        def _passed_on(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, body = _answer(self.command, self.path, content)
            if self.path.endswith("/logs") and code == 200:
                said = json.loads(body)
                body = json.dumps({**said, "logs": change(said.get("logs") or "")}).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = _passed_on  # noqa: N815 - the names of the library

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"ray://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _answer(method: str, path: str, content: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{DASHBOARD}{path}",
        data=content or None,
        method=method,
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 502, b""
