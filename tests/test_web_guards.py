"""What stands before every answer of the server, and what is done after a visitor has left."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from streamlit.runtime.caching.ttl_cache import TTLCache
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from compress_core.foundation.store import Store
from dashboard import caretaker, leases, web_guards

PUT = "/_stcore/upload_file/mine/file"


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> MemoryUploadedFileManager:
    made = MemoryUploadedFileManager("/_stcore/upload_file")
    monkeypatch.setattr(web_guards.runtime, "get_instance", lambda: SimpleNamespace(uploaded_file_mgr=made))
    return made


@dataclass(frozen=True)
class Answer:
    """What a browser gets."""

    status: int
    headers: Mapping[str, str]
    text: str


def asked(path: str, method: str = "GET", size: int | None = None) -> Answer:
    """What the server answers; size: bytes of the body as announced, None where nothing is announced."""
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    announced = [] if size is None else [(b"content-length", str(size).encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": announced, "query_string": b""}
    asyncio.run(APP(scope, receive, send))  # type: ignore[arg-type]
    headers = {name.decode(): value.decode() for name, value in said[0]["headers"]}
    return Answer(said[0]["status"], headers, b"".join(m.get("body", b"") for m in said).decode())


APP = Starlette(
    routes=[
        Route("/", lambda _: PlainTextResponse("hello")),
        Route(PUT, lambda _: PlainTextResponse("taken"), methods=["PUT"]),
    ],
    middleware=web_guards.guards(),
)


def policy(headers: Any) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in headers["content-security-policy"].split(";"))
    return {name: allowed for name, _, allowed in parts}


@pytest.mark.parametrize("path", ["/", "/nowhere"])
def test_every_answer_keeps_other_pages_out(path: str) -> None:
    headers = asked(path).headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert policy(headers)["frame-ancestors"] == policy(headers)["object-src"] == "'none'"


def test_no_script_but_ours_and_streamlits_runs() -> None:
    scripts = policy(asked("/").headers)["script-src"].split()
    assert not {"'unsafe-inline'", "'unsafe-eval'"} & set(scripts)
    assert not any(source.startswith(("http", "*", "data:")) for source in scripts)
    assert sum(source.startswith("'sha256-") for source in scripts) == 1


def test_a_session_uploads_so_many_bytes_and_no_more(
    files: MemoryUploadedFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_guards, "MOST_UPLOADED", 100)
    files.add_file("mine", UploadedFileRec("a", "a", "", bytes(60)))
    assert asked(PUT, "PUT", 40).text == "taken"
    refused = asked(PUT, "PUT", 41)
    assert (refused.status, refused.headers["x-frame-options"]) == (413, "DENY")
    files.remove_session_files("mine")
    files.add_file("another", UploadedFileRec("a", "a", "", bytes(99)))
    assert asked(PUT, "PUT", 41).text == "taken"


def test_an_upload_of_unknown_size_counts_as_the_largest(files: MemoryUploadedFileManager) -> None:
    files.add_file("mine", UploadedFileRec("a", "a", "", bytes(100 * 2**20)))
    assert asked(PUT, "PUT").status == 413


def test_sessions_end_when_their_time_is_over_without_another_visitor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, ended = [0.0], []
    kept: Any = TTLCache(maxsize=9, ttl=30, timer=lambda: now[0])
    for name in "ab":
        now[0] += 10
        kept[name] = SimpleNamespace(
            session=SimpleNamespace(
                shutdown=lambda name=name: ended.append(name), session_state={"slimscope.uploads": name}
            )
        )
    instance = SimpleNamespace(_session_mgr=SimpleNamespace(_session_storage=SimpleNamespace(_cache=kept)))
    monkeypatch.setattr(caretaker.runtime, "get_instance", lambda: instance)
    left = kept["a"].session
    now[0] = 45
    assert (caretaker.end_left_sessions(), ended) == (1, ["a"])
    assert left.session_state == {}
    assert caretaker.end_left_sessions() == 0
    now[0] = 60
    assert (caretaker.end_left_sessions(), ended) == (1, ["a", "b"])


def test_the_caretaker_works_as_long_as_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    there = asyncio.Event()

    def look() -> int:
        looked.append(1)
        there.set()
        return 1

    monkeypatch.setattr(caretaker, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(caretaker, "end_left_sessions", look)
    monkeypatch.setattr(caretaker, "give_back_memory", lambda: None)
    monkeypatch.setattr(caretaker, "give_back_pages", lambda: None)

    async def served() -> int:
        async with caretaker.caretaking(None):  # type: ignore[arg-type]
            await asyncio.wait_for(there.wait(), 60)
        after = len(looked)
        await asyncio.sleep(0)
        return len(looked) - after

    assert asyncio.run(served()) == 0


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The state of a session, and a store of its own."""
    state: dict[str, Any] = {}
    monkeypatch.setattr(leases.st, "session_state", state)
    store = Store()
    monkeypatch.setattr(leases.engine, "store", lambda: store)
    store.owner("")
    yield state
    store.owner("")


@pytest.mark.slow
def test_results_of_an_upload_go_with_the_last_session_that_works_on_it(session: dict[str, Any]) -> None:
    store, other = leases.engine.store(), {}
    store.get("of a sample", lambda: 1)
    leases.hold("mine")
    leases.hold("mine")
    store.get("of mine", lambda: 2)
    session[leases._LEASES], other = {}, session[leases._LEASES]
    leases.hold("mine")
    other.clear()
    gc.collect()
    leases.forget_what_nobody_holds()
    assert store.has("of mine")
    leases.let_go("mine")
    gc.collect()
    leases.forget_what_nobody_holds()
    assert not store.has("of mine")
    assert store.has("of a sample")


def test_a_forgotten_result_frees_its_bytes() -> None:
    store = Store()
    store.owner("mine")
    store.get("a", lambda: 1, lambda _: 500)
    store.owner("")
    store.get("b", lambda: 1, lambda _: 70)
    store.forget("mine")
    assert (store.bytes_held, store.has("a"), store.has("b")) == (70, False, True)
    assert store.get("a", lambda: 3) == 3
