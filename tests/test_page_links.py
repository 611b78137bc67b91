"""Links that are built on a page: what they say, and what whoever opens them finds."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest, app_test

from compress_core.face.network_addresses import HOST
from dashboard import class_door, opened, state
from dashboard.class_door import open_door
from tests.navigated import Navigated
from tests.subjects import loaded_sample

pytestmark = pytest.mark.slow

APP = str(Path(__file__).parent.parent / "app.py")
BUILD = "slimscope.link.build"


@pytest.fixture(autouse=True)
def _served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_test, "PagesManager", Navigated)


def opened_at(page: str, **link: str) -> AppTest:
    """A page as a link opens it."""
    app = AppTest.from_file(APP, default_timeout=90)
    app.query_params["lang"] = "en"
    app.run()
    app.switch_page(f"pages/{page}.py")
    for key, value in link.items():
        app.query_params[key] = value
    return fine(app.run())


def fine(app: AppTest) -> AppTest:
    assert not app.exception, [error.message for error in app.exception]
    return app


def built(app: AppTest) -> tuple[str, dict[str, str]]:
    """The link in the dialog: its page, and what it says."""
    codes = [str(code.value) for code in app.code if "://" in str(code.value) or "?" in str(code.value)]
    address = urlsplit(codes[-1])
    return address.path.rpartition("/")[2], {key: said[0] for key, said in parse_qs(address.query).items()}


def builder(app: AppTest, **chosen: object) -> tuple[str, dict[str, str]]:
    """What the builder makes of this; AppTest closes a dialog with its next run."""
    for field, value in chosen.items():
        app.session_state[f"link.{field}"] = value
    return built(fine(app.button(key=BUILD).click().run()))


def test_a_link_to_another_page_says_model_layer_language_and_seed_and_nothing_of_this_page() -> None:
    app = opened_at("tune", m="tabular", beside="item", seed="3")
    page, said = builder(app, page="explain", language="zh")
    assert page == "explain"
    assert said == {"m": "tabular", "l": "fc1", "lang": "zh", "seed": "3"}


def test_the_seed_of_a_link_is_the_seed_of_whoever_opens_it() -> None:
    app = opened_at("tune", m="tabular")
    _page, said = builder(app, seed=11)
    assert app.session_state[state.KEY].seed == 0, "for others alone"
    assert opened_at("tune", **said).session_state[state.KEY].seed == 11


def test_a_link_without_a_model_says_the_seed_where_the_server_has_a_model_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opened, "_HANDED", {})
    opened.hand_over(loaded_sample("tabular"), None, is_sample=True)
    app = AppTest.from_file(APP, default_timeout=90)
    app.query_params["lesson"], app.query_params["seed"] = "soft_labels", "7"
    assert fine(app.run()).session_state[state.KEY].seed == 7


def _said_of_links() -> None:
    from dashboard.link_address import say_how_to_serve

    say_how_to_serve("http://127.0.0.1:8501/tune?m=tabular", "tabular")
    say_how_to_serve("http://localhost:8501/learn")
    say_how_to_serve("http://192.168.1.20:8501/learn")


def test_on_this_machine_alone_the_page_says_with_which_command_a_class_is_served() -> None:
    app = fine(AppTest.from_function(_said_of_links).run())
    assert [code.value for code in app.code] == ["slimscope open tabular --class", "slimscope open --class"]


def test_a_class_without_a_network_is_told_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_door, "_DOORS", [])
    open_door("a-key", HOST, 8501)
    app = fine(AppTest.from_function(_said_of_links).run())
    assert [caption.value for caption in app.caption if "without `--host`" in caption.value]
    assert not app.code
