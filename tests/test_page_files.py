"""A page is one file: added beside the others, it is found, titled and reached."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import page_files

ROOT = Path(__file__).resolve().parent.parent
ALMANAC = """
import streamlit as st
from compress_core.foundation.texts import N_

TITLE = N_("Almanac")
ICON = ":material/book:"
ORDER = 15

st.title("What was the weather like?")
"""


@pytest.fixture
def beside_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of app.py and its pages; gives the folder of the pages."""
    shutil.copy(ROOT / "app.py", tmp_path)
    shutil.copytree(ROOT / "pages", tmp_path / "pages", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(page_files, "folder", lambda: tmp_path / "pages")
    return tmp_path / "pages"


def test_a_page_in_a_file_of_its_own_stands_in_its_place_and_is_reached(beside_app: Path) -> None:
    (beside_app / "almanac.py").write_text(ALMANAC, encoding="utf-8")
    assert list(page_files.page_files())[:3] == ["start", "almanac", "tune"]
    assert page_files.page_files()["almanac"].title == "Almanac"
    app = AppTest.from_file(str(beside_app.parent / "app.py"), default_timeout=60).run()
    assert app.title[0].value == "What can I try?", "the first page is where a visitor arrives"
    app.switch_page("pages/almanac.py").run()
    assert not app.exception
    assert [title.value for title in app.title] == ["What was the weather like?"]


def test_a_page_that_was_changed_is_read_again(beside_app: Path) -> None:
    almanac = beside_app / "almanac.py"
    almanac.write_text(ALMANAC, encoding="utf-8")
    assert page_files.page_files()["almanac"].icon == ":material/book:"
    almanac.write_text(ALMANAC.replace("book", "menu_book"), encoding="utf-8")
    assert page_files.page_files()["almanac"].icon == ":material/menu_book:"


@pytest.mark.parametrize(
    ("said", "instead"),
    [("ORDER = 15\n", ""), ("ORDER = 15", "ORDER = 10 + 5"), ('N_("Almanac")', "str(15)"), ("ICON", "SIGN")],
)
def test_a_page_without_the_three_constants_is_our_own_mistake(
    beside_app: Path, said: str, instead: str
) -> None:
    (beside_app / "almanac.py").write_text(ALMANAC.replace(said, instead), encoding="utf-8")
    with pytest.raises(AssertionError, match=r"pages/almanac.py must declare TITLE, ICON, ORDER"):
        page_files.page_files()


def test_a_page_says_itself_that_it_can_be_drawn_before_the_slow_libraries_are_there(
    beside_app: Path,
) -> None:
    almanac = beside_app / "almanac.py"
    almanac.write_text(ALMANAC, encoding="utf-8")
    assert page_files.waits("almanac")
    almanac.write_text(ALMANAC.replace("ORDER = 15", "ORDER = 15\nWAITS = False"), encoding="utf-8")
    assert [page_files.waits(name) for name in ("almanac", "learn", "tune", "")] == [
        False,
        False,
        True,
        False,
    ]


def test_a_page_says_itself_that_it_shows_nothing_of_the_open_model() -> None:
    assert [page_files.is_of_model(name) for name in ("learn", "tune", "")] == [False, True, True]


def test_no_page_is_run_to_be_found(beside_app: Path) -> None:
    (beside_app / "almanac.py").write_text(f"{ALMANAC}\nraise SystemExit", encoding="utf-8")
    assert "almanac" in page_files.page_files()


def test_no_page_stops_the_run_before_app_draws_the_foot_and_writes_the_link() -> None:
    files = [*(ROOT / "pages").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py")]
    assert files
    stop = re.compile(r"^\s*(st\.)?stop\(", re.MULTILINE)
    assert [path.name for path in files if stop.search(path.read_text("utf-8"))] == []
