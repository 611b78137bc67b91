"""A network of one's own code in a real browser: `slimscope open` shows it, and a job explains it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.one_tab import PATIENCE
from tests.served import ROOT, command_whose_pages_are_forks, port_of_this_worker
from tests.test_browser import TITLES, Visit, slider, visit  # noqa: F401 - one is a fixture

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

NETWORK = """
import torch
from torch import nn


class Residual(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


class Mixer(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 4, 4), nn.GELU(), nn.BatchNorm2d(width))
        mixed = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.blocks = nn.Sequential(Residual(nn.Sequential(mixed, nn.GELU())), nn.Conv2d(width, width, 1))
        self.head = nn.Linear(width, classes)

    def forward_features(self, x):
        return self.blocks(self.stem(x))

    def forward(self, x):
        return self.head(self.forward_features(x).mean((2, 3)))


def build():
    torch.manual_seed(0)
    return Mixer(16, 4)
"""


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[str]:
    """The address that `slimscope open` prints for a network in a folder outside the project."""
    (tmp_path / "their_nets").mkdir()
    (tmp_path / "their_nets" / "mixer.py").write_text(NETWORK, encoding="utf-8")
    drawn = np.random.default_rng(0)
    images = drawn.normal(size=(80, 3, 16, 16)).astype("float32")
    np.savez(tmp_path / "items.npz", inputs=images, labels=drawn.integers(0, 4, 80))
    arguments = ("open", "their_nets.mixer:build", "--data", "items.npz", "--no-browser")
    command = [*command_whose_pages_are_forks(), *arguments, f"--port={port_of_this_worker()}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as served:
        try:
            assert served.stdout is not None
            lines = (re.search(r"http://[\d.]+:\d+", line) for line in served.stdout)
            yield next(found.group() for found in lines if found is not None)
        finally:
            served.terminate()


def test_a_network_of_ones_own_code_is_opened_pruned_and_explained_by_a_job(
    opened: str,
    visit: Visit,  # noqa: F811
) -> None:
    page = visit.page
    page.goto(opened)
    expect(page.get_by_text("Continue with their_nets.mixer:build")).to_be_visible()
    page.get_by_role("link", name="Tune").click()
    header = page.locator(".st-key-slimscope_header")
    expect(header.get_by_text("their_nets.mixer:build")).to_be_visible()
    visit.settled()
    expect(page).to_have_url(re.compile("m=own-"))
    size = visit.size()
    slider(page, "Weights removed").focus()
    slider(page, "Weights removed").press("PageUp")
    expect(header.get_by_text(size)).to_have_count(0)
    visit.settled()
    page.get_by_role("link", name="Explain").click()
    expect(page.get_by_role("heading", name=TITLES["explain"])).to_be_visible()
    page.get_by_role("button", name=re.compile(r"Explain \d+ items")).click()
    expect(page.get_by_text("drawn at random with seed")).to_be_visible(timeout=2 * PATIENCE)
    visit.settled()
