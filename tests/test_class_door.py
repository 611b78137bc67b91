"""A class is served: who is let in, what is answered to everybody else, and what a teacher is told."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner
from websockets.exceptions import InvalidStatus

from benchmarks.page_visitor import PageVisitor
from compress_core.cli.commands import app as program
from compress_core.face import network_addresses, page_process
from compress_core.face.network_addresses import EVERYWHERE, HOST, reachable, server_address
from compress_core.face.page_process import PageRequest, port_for
from compress_core.foundation.errors import Refused
from dashboard import class_door, engine, link_address, state
from dashboard.class_door import ClassDoor, open_door
from dashboard.class_gate import ASK, ClassGate
from dashboard.link_address import link_start, link_to
from dashboard.text import _ as translated
from dashboard.text import use_language
from tests.served import pages_are_forks

APP = str(Path(__file__).parent.parent / "app.py")
WORD = "a-word_of-16-sig"


@pytest.fixture(autouse=True)
def door(monkeypatch: pytest.MonkeyPatch) -> ClassDoor:
    """A server of a class."""
    monkeypatch.setattr(class_door, "_DOORS", [])
    open_door(WORD, HOST, 8501)
    found = class_door.class_door()
    assert found is not None
    return found


async def _inside(scope: Any, receive: Any, send: Any) -> None:
    """What stands behind the gate: it lets everybody see a number."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"97.0 %"})


def asked(path: str, query: str = "", *, kind: str = "http", **headers: str) -> list[dict[str, Any]]:
    """All that the server says to one request."""
    said: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        said.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.request"}

    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "method": "GET", "path": path, "query_string": query.encode(), "headers": sent}
    asyncio.run(ClassGate(_inside)(scope, receive, send))  # type: ignore[arg-type]
    return said


def header(said: list[dict[str, Any]], name: str) -> str:
    return next((value.decode() for key, value in said[0]["headers"] if key.decode() == name), "")


PATHS = [
    "/",
    "/learn",
    "/tune",
    "/media/abc.csv",
    "/_stcore/upload_file/a/b",
    "/static/js/x.js",
    "/_stcore/metrics",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", ["", "key=", "key=wrong", f"key={WORD}x", f"kex={WORD}", f"m={WORD}"])
def test_whoever_comes_without_the_key_gets_one_sentence(path: str, query: str) -> None:
    said = asked(path, query)
    assert said[0]["status"] == 403
    assert ASK in said[1]["body"].decode()
    assert b"97.0" not in said[1]["body"]


def test_the_sentence_is_in_the_language_of_the_browser() -> None:
    with use_language("zh"):
        chinese = translated(ASK)
    body = asked("/", accept_language="fr;q=0.9, zh-CN, en")[1]["body"].decode()
    assert chinese in body
    assert 'lang="zh"' in body


@pytest.mark.parametrize("cookie", ["", f"slimscope_class={WORD}", "{name}=wrong", "{name}="])
def test_a_websocket_without_the_key_is_never_accepted(door: ClassDoor, cookie: str) -> None:
    said = asked("/_stcore/stream", kind="websocket", cookie=cookie.format(name=door.cookie))
    assert [message["type"] for message in said] == ["websocket.close"]
    assert asked("/_stcore/stream", f"key={WORD}", kind="websocket")[0]["type"] == "websocket.close"


def test_whoever_brings_the_key_goes_to_the_same_address_without_it_and_keeps_a_cookie(
    door: ClassDoor,
) -> None:
    said = asked("/learn", f"lesson=soft_labels&key={WORD}&lang=zh")
    assert said[0]["status"] == 303
    assert header(said, "location") == "/learn?lesson=soft_labels&lang=zh"
    cookie = header(said, "set-cookie")
    assert cookie.startswith(f"{door.cookie}={WORD};")
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()


def test_the_cookie_opens_pages_files_and_the_websocket(door: ClassDoor) -> None:
    cookie = f"other=1; {door.cookie}={WORD}"
    assert [asked(path, cookie=cookie)[0]["status"] for path in PATHS] == [200] * len(PATHS)
    assert asked("/_stcore/stream", kind="websocket", cookie=cookie)[0]["type"] == "websocket.accept"


def test_a_link_that_is_opened_once_more_loses_its_key_whatever_it_is(door: ClassDoor) -> None:
    said = asked("/tune", "m=lenet5&key=old", cookie=f"{door.cookie}={WORD}")
    assert (said[0]["status"], header(said, "location")) == (303, "/tune?m=lenet5")


@pytest.mark.parametrize("path", ["//evil.example/learn", "/\\evil.example", "///", "//evil.example?x"])
def test_the_key_leads_to_no_other_server(path: str) -> None:
    place = header(asked(path, f"key={WORD}", host="10.0.0.7:8501"), "location")
    assert place.startswith("/")
    assert not place.startswith(("//", "/\\"))


def test_whether_the_server_runs_is_told_to_everybody() -> None:
    assert asked("/_stcore/health")[0]["status"] == 200


def test_without_a_class_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    open_door("", HOST, 8501)
    assert asked("/tune")[0]["status"] == 200
    assert asked("/_stcore/stream", kind="websocket")[0]["type"] == "websocket.accept"


def test_two_servers_of_one_machine_remember_their_classes_apart() -> None:
    assert ClassDoor("one", ()).cookie != ClassDoor("two", ()).cookie


@pytest.mark.parametrize("brought", ["", "é", WORD[:-1], WORD.upper(), WORD + "\0"])
def test_only_the_key_opens(door: ClassDoor, brought: str) -> None:
    assert not door.opens_to(brought)
    assert door.opens_to(WORD)


@pytest.mark.slow
def test_a_session_without_the_key_draws_one_sentence_and_loads_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As if the gate were not there: the page looks itself."""

    def must_not(*_arguments: object) -> None:
        raise AssertionError("loaded for nobody")

    monkeypatch.setattr(engine, "warming_up", must_not)
    monkeypatch.setattr(engine, "sample", must_not)
    app = AppTest.from_file(APP, default_timeout=60)
    app.query_params["m"] = "lenet300"
    app.run()
    assert not app.exception
    assert [element.value for element in app.main if hasattr(element, "value")] == [ASK]
    assert state.KEY not in app.session_state


@pytest.mark.parametrize(
    ("shown", "page", "expected"),
    [
        ("http://127.0.0.1:8501/learn?a=1", None, "http://10.0.0.7:8501/learn"),
        ("http://localhost:8501/", "tune", "http://10.0.0.7:8501/tune"),
        ("http://10.0.0.9:8501/tune", "learn", "http://10.0.0.9:8501/learn"),
        ("https://school.example/", None, "https://school.example/"),
    ],
)
def test_a_link_begins_with_an_address_that_a_class_reaches(
    shown: str, page: str | None, expected: str
) -> None:
    served = ClassDoor(WORD, ("http://10.0.0.7:8501", "http://172.17.0.1:8501"))
    assert link_start(shown, page, served) == expected


@pytest.mark.parametrize("served", [None, ClassDoor(WORD, ())])
def test_without_a_network_a_link_begins_as_the_page_does(served: ClassDoor | None) -> None:
    assert link_start("http://127.0.0.1:8501/learn?x", None, served) == "http://127.0.0.1:8501/learn"


def test_a_link_that_is_handed_out_brings_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_address.st, "context", SimpleNamespace(url="http://127.0.0.1:8501/learn"))
    assert link_to({"lesson": "soft_labels"}).endswith(f"/learn?lesson=soft_labels&key={WORD}")
    open_door("", HOST, 8501)
    assert link_to({"lesson": "soft_labels"}).endswith("/learn?lesson=soft_labels")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (["127.0.0.1", "127.0.1.1", "0.0.0.0"], ()),
        (["10.0.0.7", "127.0.0.1", "10.0.0.7"], ("10.0.0.7",)),
        (["169.254.3.4", "192.168.1.20", "172.17.0.1"], ("192.168.1.20", "172.17.0.1", "169.254.3.4")),
        ([], ()),
    ],
)
def test_only_addresses_that_others_reach_are_named(found: list[str], expected: tuple[str, ...]) -> None:
    assert reachable(found) == expected


def test_addresses_with_colons_stand_in_brackets() -> None:
    assert server_address("::1", 80) == "http://[::1]:80"
    assert server_address("10.0.0.7", 80) == "http://10.0.0.7:80"


def test_a_host_that_is_not_of_this_machine_is_refused_by_its_name() -> None:
    with pytest.raises(Refused, match=r"192\.0\.2\.77 cannot be served .*name an address of this machine"):
        port_for(None, "192.0.2.77")
    assert port_for(None, "127.0.0.2") > 0


class Ended:
    """A page's process that has ended well."""

    def __init__(self) -> None:
        self.stdin = BytesIO()

    def wait(self) -> int:
        return 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[PageRequest, str]]:
    """What pages were asked for, with their keys; none is started."""
    asked_for: list[tuple[PageRequest, str]] = []

    def start(request: PageRequest, class_key: str = "") -> Ended:
        asked_for.append((request, class_key))
        return Ended()

    monkeypatch.setattr(page_process, "start_page", start)
    monkeypatch.setattr(page_process, "is_served", lambda *_: True)
    return asked_for


def on_networks(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    monkeypatch.setattr(network_addresses, "network_addresses", lambda: addresses)


def told(*arguments: str) -> str:
    ended = CliRunner().invoke(program, ["open", *arguments, "--no-browser", "--port", "18499"])
    assert ended.exit_code == 0, ended.output
    return " ".join(ended.output.split())


def test_without_class_a_page_stays_on_this_machine(started: list[tuple[PageRequest, str]]) -> None:
    assert "Serving on this machine only: http://127.0.0.1:18499/tune" in told("lenet5")
    (request, key) = started[0]
    assert (request.host, key) == (HOST, "")


def test_a_teacher_is_given_the_link_that_students_reach_and_told_what_it_opens(
    started: list[tuple[PageRequest, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_networks(monkeypatch, "192.168.1.20")
    said = told("--class")
    (request, key) = started[0]
    assert (request.host, request.opens_nothing) == (EVERYWHERE, True)
    assert len(key) == 16
    link = f"http://192.168.1.20:18499/learn?key={key}"
    assert f"opens the lessons; Learn and Share make links to lessons and to other pages: {link} " in said
    assert "127.0.0.1" not in said
    assert "several addresses" not in said


def test_every_class_has_a_key_of_its_own(started: list[tuple[PageRequest, str]]) -> None:
    for _turn in range(3):
        told("--class")
    assert len({key for _request, key in started}) == 3


@pytest.mark.parametrize(
    ("addresses", "arguments", "says"),
    [
        (
            ("10.0.0.7", "172.17.0.1"),
            (),
            "several addresses: hand out the one that the students' machines reach",
        ),
        ((), (), "no address on a network, so nobody else can open that: connect it"),
        (
            ("10.0.0.7",),
            ("--host", "127.0.0.1"),
            "this machine's own, so nobody else can open it: leave --host",
        ),
        (("10.0.0.7",), ("lenet5",), "This link opens the model on Tune"),
    ],
)
def test_a_teacher_is_told_what_to_heed(
    started: list[tuple[PageRequest, str]],
    monkeypatch: pytest.MonkeyPatch,
    addresses: tuple[str, ...],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    on_networks(monkeypatch, *addresses)
    said = told("--class", *arguments)
    assert says in said
    assert said.count(f"key={started[0][1]}") == max(1, len(addresses))


def test_other_machines_are_let_in_with_a_key_or_not_at_all() -> None:
    ended = CliRunner().invoke(program, ["open", "lenet5", "--host", "0.0.0.0"])
    assert ended.exit_code == 2
    assert "goes with --class" in " ".join(ended.stderr.split())


@pytest.fixture(scope="module")
def serving() -> Iterator[tuple[str, str]]:
    """A server of a class, on this machine only: its host with port, and the key."""
    port = port_for(None)
    with pages_are_forks():
        process = page_process.start_page(PageRequest(port, "tabular"), WORD)
    assert page_process.is_served(process, port)
    yield f"{HOST}:{port}", WORD
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def status_of(address: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://{address}", method=method, headers=headers)
    try:
        with urllib.request.build_opener(Staying).open(request, timeout=60) as answer:
            return answer.status, answer.headers.get("set-cookie", "")
    except HTTPError as refused:
        return refused.code, refused.headers.get("set-cookie", "")


class Staying(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


@pytest.mark.slow
def test_a_real_server_begins_a_session_only_for_whoever_brought_the_key(serving: tuple[str, str]) -> None:
    address, key = serving
    status, cookie = status_of(f"{address}/tune?key={key}")
    assert status == 303
    cookie = cookie.split(";")[0]
    assert status_of(f"{address}/tune", Cookie=cookie)[0] == 200
    asyncio.run(_with_and_without(address, cookie))


async def _with_and_without(address: str, cookie: str) -> None:
    visitor = await PageVisitor.open(address, "", "tune", cookie)
    assert any("tune.table." in name for name in visitor.widgets), "the model that it was started with"
    await visitor.close()
    for wrong in ("", cookie[:-1], cookie.replace("=", "x=")):
        with pytest.raises(InvalidStatus, match="403"):
            await PageVisitor.open(address, "m=tabular", "tune", wrong)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/", "GET"),
        ("/tune?m=tabular", "GET"),
        ("/media/0000.csv", "GET"),
        ("/_stcore/upload_file/mine/file", "PUT"),
        ("/_stcore/upload_file/mine/file", "DELETE"),
        ("/_stcore/host-config", "GET"),
        ("/tune?key=wrong", "GET"),
    ],
)
def test_a_real_server_gives_and_takes_nothing_without_the_key(
    serving: tuple[str, str], path: str, method: str
) -> None:
    assert status_of(serving[0] + path, method) == (403, "")
