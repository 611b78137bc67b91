"""All tests of a worker share one browser: a second one of the same process does not begin beside it."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
BEGINS_ONE = "sync" + "_playwright"


def test_no_test_begins_a_browser_of_its_own() -> None:
    beginning = {path.name for path in HERE.glob("*.py") if BEGINS_ONE in path.read_text(encoding="utf-8")}
    assert beginning == {"one_tab.py"}, "take the fixture browser or shared_tab of tests/conftest.py"
