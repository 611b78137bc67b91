"""What every test shares: one thread, repeatable examples, the browser."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["SLIMSCOPE_WORKSPACE"] = ""  # no test writes into the user's folder, and none finds its results

import pytest
from hypothesis import settings

from scripts.browser import NONE_FOUND, find_browser

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def browser_path() -> str:
    """The program of the browser that `make test` found."""
    program = find_browser()
    if program is None:
        pytest.fail(NONE_FOUND)
    return program
