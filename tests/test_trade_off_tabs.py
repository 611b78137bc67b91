"""Tabs of the Trade-offs page are found in their folder, and the open one outlives a reload."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from dashboard.trade_offs import budget_wish, tab_files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of tabs; gives its folder."""
    package = tmp_path / "almanac_tabs"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "sun.py").write_text('TITLE = N_("Sun")\nORDER = 20\nraise SystemExit\n', encoding="utf-8")
    (package / "rain.py").write_text('TITLE = N_("Rain")\nORDER = 10\n', encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "almanac_tabs", raising=False)
    monkeypatch.setattr(tab_files, "PACKAGE", "almanac_tabs")
    tab_files.tab_files.cache_clear()
    return package


@pytest.fixture(autouse=True)
def _found_anew() -> Iterator[None]:
    yield
    tab_files.tab_files.cache_clear()


def test_tabs_are_found_in_their_order_and_none_is_run_to_be_found(folder: Path) -> None:
    assert folder.is_dir()
    assert [(tab.name, tab.title) for tab in tab_files.tab_files().values()] == [
        ("rain", "Rain"),
        ("sun", "Sun"),
    ]


def test_a_tab_without_its_constants_is_our_own_mistake(folder: Path) -> None:
    (folder / "wind.py").write_text('TITLE = N_("Wind")\n', encoding="utf-8")
    with pytest.raises(AssertionError, match=r"almanac_tabs.wind must declare TITLE, ORDER"):
        tab_files.tab_files()


def test_every_tab_of_ours_draws() -> None:
    assert len(tab_files.tab_files()) >= 1
    for tab in tab_files.tab_files().values():
        assert callable(import_module(f"{tab_files.PACKAGE}.{tab.name}").draw), tab.name


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", {}),
        ("largest_drop:1.5", {"largest_drop": 1.5}),
        ("worst_class:5.0;macs:120000", {"worst_class": 5.0, "macs": 120_000}),
    ],
)
def test_limits_of_a_budget_go_into_a_link_and_come_back(text: str, limits: dict[str, float]) -> None:
    assert budget_wish.MORE.read(text) == text
    assert budget_wish.limits_of(text) == limits
    assert budget_wish.said(limits) == text


@pytest.mark.parametrize(
    "text", ["largest_drop", "largest_drop:-1", "speed:3", "macs:nan", "macs:1.5", "a:b:c"]
)
def test_limits_that_nobody_could_have_set_are_passed_over(text: str) -> None:
    assert budget_wish.MORE.read(text) is None
