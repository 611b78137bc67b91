"""What every test shares: one thread, repeatable examples, the browser."""

from __future__ import annotations

import os
from collections import Counter

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["SLIMSCOPE_WORKSPACE"] = ""  # no test writes into the user's folder, and none finds its results

import pytest
from hypothesis import settings

from scripts.browser import NONE_FOUND, find_browser

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files with the most slow tests come first, so that workers that take whole files end together."""
    slow = Counter(i.path for i in items if {"slow", "browser"} & {mark.name for mark in i.iter_markers()})
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def browser_path() -> str:
    """The program of the browser that `make test` found."""
    program = find_browser()
    if program is None:
        pytest.fail(NONE_FOUND)
    return program
