"""The server behind the page, started by another program: in a process of its own, or in its thread."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from compress_core.foundation.errors import Refused
from dashboard.caretaker import caretaking
from dashboard.opened import hand_over, withdraw
from dashboard.web_guards import guards

if TYPE_CHECKING:
    from compress_core.recipe.values import Recipe
    from compress_core.subject.subject import Subject

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
_LOOK_AGAIN_SECONDS = 0.02


def app_file() -> Path:
    """app.py, with pages and settings beside it: at the top of a checkout, in this package once installed."""
    installed = HERE / "_app" / "app.py"
    return installed if installed.is_file() else HERE.parent / "app.py"


def serve(port: int, host: str = HOST) -> None:
    """Serve the page from this process until it is told to stop.

    Elsewhere than on this machine alone a visitor brings a key, and comes under whatever name leads here.
    """
    from streamlit.web import cli

    given = [f"--{name}={value}" for name, value in {**_options(port), **_of_host(host)}.items()]
    cli.main(["run", str(app_file()), *given], standalone_mode=False)


def serve_live(subject: Subject, recipe: Recipe | None, port: int) -> tuple[int, Callable[[], None]]:
    """Serve a model that lives in this process from a thread of it; gives the port, and what withdraws it.

    A process has one server of Streamlit, which ends with it: a second model is served where the first was.
    Streamlit puts every script in the place of `__main__`; the program that serves here keeps its own.
    """
    given = hand_over(subject, recipe)
    with _STARTING:
        if not _SERVED:
            _MAIN.append(sys.modules["__main__"])
            page = threading.Thread(target=_serve_here, args=(port,), name="slimscope-page", daemon=True)
            page.start()
            _wait_for(port, page)
            _SERVED.append(port)
    return _SERVED[0], lambda: withdraw(given)


_STARTING = threading.Lock()
_SERVED: list[int] = []
_MAIN: list[ModuleType] = []


def give_main_back() -> None:
    """Put the `__main__` of the program that serves a model of its own back in its place."""
    if _MAIN:
        sys.modules["__main__"] = _MAIN[0]


def _options(port: int) -> dict[str, object]:
    return {
        "server.address": HOST,
        "server.port": port,
        "server.headless": "true",
        "logger.hideWelcomeMessage": "true",
        "logger.level": "error",
    }


def _of_host(host: str) -> dict[str, object]:
    return {} if host == HOST else {"server.address": host, "server.allowedHosts": "*"}


def _serve_here(port: int) -> None:
    from streamlit import App, config
    from streamlit.web import bootstrap
    from streamlit.web.server.starlette.starlette_server import UvicornRunner

    script = str(app_file())
    config._main_script_path = script  # noqa: SLF001 - as `streamlit run` does, for the settings beside the script
    bootstrap.load_config_options({name.replace(".", "_"): value for name, value in _options(port).items()})
    UvicornRunner(App(script, middleware=guards(), lifespan=caretaking)).run()


def _wait_for(port: int, page: threading.Thread) -> None:
    """Until the page answers; raises Refused where its thread has ended, having said why."""
    while page.is_alive():
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(_LOOK_AGAIN_SECONDS)
    raise Refused("The page did not start: what its process said stands above.")
