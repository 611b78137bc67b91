"""The server behind the page, started by another program: in a process of its own, or in its thread."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from dashboard.opened import hand_over, withdraw

if TYPE_CHECKING:
    from compress_core.recipe.values import Recipe
    from compress_core.subject.subject import Subject

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
_STARTS_WITHIN_SECONDS = 60.0


def app_file() -> Path:
    """app.py, with pages and settings beside it: at the top of a checkout, in this package once installed."""
    installed = HERE / "_app" / "app.py"
    return installed if installed.is_file() else HERE.parent / "app.py"


def serve(port: int) -> None:
    """Serve the page from this process until it is told to stop."""
    from streamlit.web import cli

    given = [f"--{name}={value}" for name, value in _options(port).items()]
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
            started: Future[int] = Future()
            threading.Thread(target=_run, args=(port, started), name="slimscope-page", daemon=True).start()
            _SERVED.append(started.result(_STARTS_WITHIN_SECONDS))
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


def _run(port: int, started: Future[int]) -> None:
    try:
        asyncio.run(_served(port, started))
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)


async def _served(port: int, started: Future[int]) -> None:
    from streamlit import config
    from streamlit.web import bootstrap
    from streamlit.web.server import Server

    script = str(app_file())
    config._main_script_path = script  # noqa: SLF001 - as `streamlit run` does, for the settings beside the script
    bootstrap.load_config_options({name.replace(".", "_"): value for name, value in _options(port).items()})
    server = Server(script, is_hello=False)
    await server.start()
    bootstrap.prepare_streamlit_environment(script)
    started.set_result(port)
    await server.stopped
