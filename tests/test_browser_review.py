"""From Tune to a signed report in at most eight actions; a flip leads to Explain and back; the ZIP comes."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard.links import encoded
from tests.one_tab import PATIENCE, as_new, at_rest
from tests.served import Serving
from tests.test_browser import assert_controls_have_names, assert_texts_read_well

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

PRUNED = [["fc1", [{"technique": "magnitude", "sparsity": 0.9}]]]
MOST_ACTIONS = 8


class Hand:
    """What a person does, counted."""

    def __init__(self) -> None:
        self.actions = 0

    def press(self, what: Locator) -> None:
        self.actions += 1
        what.click()

    def write(self, what: Locator, text: str) -> None:
        self.actions += 1
        what.fill(text)


def taken(page: Page, name: str, hand: Hand) -> Path:
    """The file that a button gives."""
    with page.expect_download(timeout=PATIENCE) as found:
        hand.press(page.get_by_role("button", name=name))
    return Path(found.value.path())


def test_from_tune_to_a_signed_report_in_eight_actions_and_a_flip_leads_to_explain_and_back(
    shared_tab: Page, tmp_path: Path
) -> None:
    serving = Serving(tmp_path / "workspace")
    hand = Hand()
    with as_new(shared_tab, 1366, 768) as page, serving.running():
        page.set_default_timeout(4 * PATIENCE)
        page.goto(f"{serving.address}/tune?m=tabular&r={encoded(PRUNED)}")
        expect(page.get_by_role("heading", name="What does this layer do to me?")).to_be_visible()
        hand.press(page.get_by_role("link", name="Review"))
        hand.press(page.get_by_role("button", name="Look at the test items and judge"))
        hand.press(page.get_by_role("tab", name="Decision and report"))
        hand.write(page.get_by_role("textbox", name="Reviewer"), "Ada")
        hand.press(page.get_by_role("radio", name="Reject"))
        hand.press(page.get_by_role("button", name="Sign"))
        expect(page.get_by_text(re.compile("rejected by Ada"))).to_be_visible()
        at_rest(page)
        assert_controls_have_names(page)
        assert_texts_read_well(page)
        report = taken(page, "Report (HTML)", hand).read_text(encoding="utf-8")
        assert hand.actions <= MOST_ACTIONS
        assert "Ada" in report
        with zipfile.ZipFile(taken(page, "Everything (ZIP)", hand)) as archive:
            said = json.loads(archive.read("report.json"))
            tables = [name for name in archive.namelist() if name.endswith(".csv")]
        assert (said["decision"]["reviewer"], said["model"]["split"]) == ("Ada", "test")
        assert tables
        assert all(re.match(r"tabular_\w+_test_N\d+_", name) for name in tables)
        page.get_by_role("tab", name="Items that changed").click()
        flip = page.get_by_role("button", name=re.compile(r"^Explain item \d+"))
        named = flip.first.inner_text()
        item = re.search(r"\d+", named)
        assert item is not None
        flip.first.click()
        expect(page.get_by_role("heading", name="Does it still look at the same things?")).to_be_visible()
        expect(page.get_by_role("spinbutton", name=re.compile("^Item, 0 to"))).to_have_value(item[0])
        page.get_by_role("link", name="Go to Review").click()
        expect(flip.first).to_contain_text(item[0])
        at_rest(page)  # what the page shows stands in its address at the end of a run
        page.reload()
        expect(page.get_by_text("Decided by")).to_be_visible()
