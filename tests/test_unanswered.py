"""Items without a finite answer count as wrong: wherever an accuracy stands, it is said how many they are."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from compress_core import compress, load
from compress_core.apply.model import Model
from compress_core.cli import app
from dashboard.header_numbers import Freshness, _of

BROKEN = """
import torch
from torch import nn

def broken():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, {outputs}))
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(4))
        network[1].weight[0, 0] = float("inf")
    return network.eval()
"""
STEP = "0: uniform bits=8"
RECIPE = "layers: [{match: '0', steps: [{technique: uniform, bits: 8}]}]"
BOTH = "Of 20 items the original leaves 8 without a finite answer, the compressed model 8: they have no class"
SAID = "Of 20 items 8 get no finite answer: they have no class and no confidence, and count as wrong."


@pytest.fixture(params=["classes", "labels"])
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A current folder with a network that answers 8 of 20 items with infinity."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_network", raising=False)
    several = request.param == "labels"
    (tmp_path / "broken_network.py").write_text(BROKEN.format(outputs=5 if several else 3))
    inputs = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    inputs[:, 0] = np.where(np.arange(20) < 8, 1, -1)
    labels = np.arange(100).reshape(20, 5) % 2 if several else np.arange(20) % 3
    np.savez(tmp_path / "items.npz", inputs=inputs, labels=labels)
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), prog_name="slimscope")
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.usefixtures("folder")
def test_evaluate_says_how_many_items_count_as_wrong_for_want_of_an_answer() -> None:
    asked = ("evaluate", "broken_network:broken", "--data", "items.npz")
    assert f"Warning: {SAID}" in run(*asked)
    assert SAID in json.loads(run(*asked, "--json"))["warnings"]


@pytest.mark.usefixtures("folder")
def test_compare_says_it_of_both_models() -> None:
    asked = ("compare", "broken_network:broken", "--data", "items.npz", "--step", STEP)
    assert f"Warning: {BOTH}" in run(*asked)
    assert [said for said in json.loads(run(*asked, "--json"))["warnings"] if said.startswith(BOTH)]


def test_the_header_says_it_behind_its_numbers(folder: Path) -> None:
    loaded = load("broken_network:broken", folder / "items.npz")
    split = loaded.split("validation")
    for model, said in ((Model.original(loaded), SAID), (compress(loaded, RECIPE), BOTH)):
        sentence = _of(model, {}, split, len(split), Freshness.EXACT).sentence()
        assert sentence.startswith("Measured on 20 items")
        assert said in sentence
