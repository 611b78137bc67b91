"""A report says everything that opens its model, so that its command and `verify` open the same one."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from typer.testing import CliRunner, Result

import compress_core
from compress_core.cli import app
from compress_core.cli.arguments import ModelOptions
from compress_core.cli.review_origin import OPENING
from compress_core.reviews.gate_file import read_gates, ready_made_gates
from compress_core.reviews.seals import SEALS, sealed

pytestmark = pytest.mark.slow

OF_THE_RECIPE = {"recipe", "steps", "resolved"}  # the report holds the recipe itself
OF_THE_COMMAND = {"model", "split", "as_json", "train"}  # read apart; a review trains nothing
ROWS = 60
OPENED = {"weights": "net.pt", "entry": "ema", "data": "rows.csv", "label-column": "2", "task": "regression"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of two networks, and a table whose second column is a whole number to be answered."""
    monkeypatch.chdir(tmp_path)
    two = [nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)).state_dict() for _ in range(2)]
    torch.save({"model": two[0], "ema": two[1]}, "net.pt")
    drawn = np.random.default_rng(0).normal(size=(ROWS, 3))
    table = pd.DataFrame(drawn, columns=["width", "height", "depth"])
    table.insert(1, "price", np.arange(ROWS) % 7)
    table.to_csv("rows.csv", index=False)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, prog_name="slimscope")


def reviewed(more: Sequence[str] = ()) -> dict[str, Any]:
    """The report of a review that names no gates."""
    options = [word for name, value in OPENED.items() for word in (f"--{name}", value)]
    found = run("review", *options, "--step", "0: uniform bits=4", "--out", "r.html", *more)
    assert found.exit_code in {0, 1, 3}, found.output
    said: dict[str, Any] = json.loads(Path("r.json").read_text())
    return said


def test_every_option_that_opens_a_model_is_told_of() -> None:
    assert {field.name for field in fields(ModelOptions)} == {
        *OPENING.values(),
        *OF_THE_RECIPE,
        *OF_THE_COMMAND,
    }


def test_verify_opens_what_the_review_opened_and_the_command_says_it(folder: Path) -> None:
    command = reviewed()["circumstances"]["command"]
    for name, value in OPENED.items():
        assert f"--{name} {value}" in command
    again = run("verify", "r.json")
    assert again.exit_code == 0, again.output
    assert "every seal is whole" in again.output


def test_a_report_says_which_weights_were_taken_and_verify_compares_them(folder: Path) -> None:
    kept = ("--data", "rows.csv", "--label-column", "2", "--task", "regression")
    made = run("review", "net.pt", *kept, "--step", "0: uniform bits=4", "--out", "r.html")
    assert made.exit_code in {0, 1, 3}, made.output
    said = json.loads(Path("r.json").read_text())
    remarks = said["model"]["remarks"]
    stands = "The weights stand under 'model' in a checkpoint. What stands beside them was not read: ema."
    assert remarks[0] == "Assumed, because a state dict does not tell: ReLU between the layers."
    assert remarks[1] == stands
    assert "those of 'model' were taken, not those of 'ema'" in remarks[2]
    page = html.unescape(Path("r.html").read_text())
    for sentence in remarks:
        assert f"\nRead: {sentence}\n" in made.stdout
        assert page.count(sentence) == 1
    assert "权重位于检查点的“model”之下。" in page
    found = run("verify", "r.json", "--entry", "ema")
    assert found.exit_code == 1, found.output
    assert "model.remarks.1: the report says" in found.stdout
    said["model"]["remarks"][1] = stands.replace("'model'", "'ema'")
    Path("r.json").write_text(json.dumps(sealed({n: v for n, v in said.items() if n != SEALS})))
    forged = run("verify", "r.json")
    assert forged.exit_code == 1, forged.output
    assert forged.stdout.startswith("model.remarks.1: the report says")


def test_weights_that_moved_are_said_anew(folder: Path) -> None:
    kept = ("--entry", "ema", "--data", "rows.csv", "--label-column", "2", "--task", "regression")
    made = run("review", "net.pt", *kept, "--step", "0: uniform bits=4", "--out", "r.html")
    assert made.exit_code in {0, 1, 3}, made.output
    (folder / "moved").mkdir()
    (folder / "net.pt").rename("moved/net.pt")
    assert "net.pt cannot be read" in run("verify", "r.json").stderr
    for option in ("--weights", "--model"):
        again = run("verify", "r.json", option, "moved/net.pt")
        assert again.exit_code == 0, again.output


def test_the_name_of_a_file_is_no_difference_and_other_weights_under_any_name_are(folder: Path) -> None:
    kept = ("--entry", "ema", "--data", "rows.csv", "--label-column", "2", "--task", "regression")
    made = run("review", "net.pt", *kept, "--step", "0: uniform bits=4", "--out", "r.html")
    assert made.exit_code in {0, 1, 3}, made.output
    for option, name in (("--weights", "weights-of-today.pt"), ("--model", "net_2.ckpt"), ("--model", "net")):
        shutil.copy("net.pt", name)
        again = run("verify", "r.json", option, name)
        assert again.exit_code == 0, again.output
        assert "every seal is whole" in again.stdout
        called = f"The weights are called {Path(name).stem} now; the report calls them net."
        assert again.stdout.count(called) == again.stdout.count("now; the report") == (name != "net")
    told = json.loads(run("verify", "r.json", "--model", "net_2.ckpt", "--json").stdout)
    assert told["remarks"] == ["The weights are called net_2 now; the report calls them net."]
    assert told["differences"] == []
    other = torch.load("net.pt")
    other["ema"]["0.bias"][0] += 1
    torch.save(other, "other.pt")
    found = run("verify", "r.json", "--weights", "other.pt")
    assert found.exit_code == 1, found.output
    assert "model.network: " in found.stdout
    assert "model.name: " not in found.stdout


def test_a_name_that_was_never_that_of_the_file_is_a_difference(folder: Path) -> None:
    said = reviewed()
    said["model"]["name"] = said["model"]["title"] = "approved"
    Path("r.json").write_text(json.dumps(sealed({n: v for n, v in said.items() if n != SEALS})))
    found = run("verify", "r.json")
    assert found.exit_code == 1, found.output
    assert "model.name: the report says 'approved', computed again it is 'net'" in found.stdout
    said["model"]["name"] = "net"
    Path("r.json").write_text(json.dumps(sealed({n: v for n, v in said.items() if n != SEALS})))
    Path("net.pt").rename("other.pt")
    found = run("verify", "r.json", "--weights", "other.pt")
    assert "model.title: the report says 'approved'" in found.stdout
    assert "model.name: " not in found.stdout
    sample = run("review", "tabular", "--step", "fc1: uniform bits=4", "--out", "s.html")
    assert sample.exit_code in {0, 1, 3}, sample.output
    said = json.loads(Path("s.json").read_text())
    said["model"]["name"] = "lenet300"
    Path("s.json").write_text(json.dumps(sealed({n: v for n, v in said.items() if n != SEALS})))
    assert "model.name: the report says 'lenet300'" in run("verify", "s.json").stdout


@pytest.mark.parametrize("asked", [[], "text", None, 3])
def test_a_report_that_does_not_say_what_was_opened_is_damaged(folder: Path, asked: object) -> None:
    said = reviewed()
    said["circumstances"]["asked"] = asked
    Path("r.json").write_text(json.dumps(said))
    again = run("verify", "r.json")
    assert again.exit_code == 2, again.output
    assert "The report is damaged (an object was meant, not" in again.stderr


def test_without_a_word_on_gates_those_meant_for_the_task_are_asked(folder: Path) -> None:
    meant = read_gates(ready_made_gates()["values_kept"])
    assert reviewed()["gates"] == json.loads(json.dumps(meant.as_json()))
    numbers = compress_core.load("net.pt", "rows.csv", label_column="2", task="regression")
    small = compress_core.compress(numbers, "layers: [{match: '0', steps: [{technique: uniform, bits: 4}]}]")
    assert compress_core.review(small).gates == meant
