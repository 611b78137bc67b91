"""slimscope scan, compress_core.scan and the job say the same."""

from __future__ import annotations

import json
from math import nan
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import compress_core
from compress_core.apply.model import Model
from compress_core.cli import app
from compress_core.decide.family import Family
from compress_core.decide.scan_plan import ScanPlan
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.folder import VARIABLE
from compress_core.tasks.scan_layers import SCAN, run
from tests.subjects import mlp_subject

FEW = ("--points", "1", "--families", "prune,bits", "--sample", "500")


def said(*arguments: str) -> Any:
    found = CliRunner().invoke(app, ["scan", "tabular", *arguments, "--json"], prog_name="slimscope")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def refused(*arguments: str) -> str:
    found = CliRunner().invoke(app, ["scan", "tabular", *arguments], prog_name="slimscope")
    assert found.exit_code == 2, found.output
    return found.stderr.splitlines()[-1]


@pytest.mark.slow
def test_the_command_says_what_python_says() -> None:
    knobs: dict[str, Any] = {"points": 1, "families": ["prune", "bits"], "sample": 500}
    steps: list[object] = []
    scanned = compress_core.scan(compress_core.load("tabular"), store=Store(), watch=steps.append, **knobs)
    frame, points = scanned.frame(), said(*FEW)["points"]
    assert steps
    assert [point["kl"]["value"] for point in points] == frame["kl"].replace({nan: None}).tolist()
    assert [point["place"] for point in points] == list(frame["place"])
    assert [point["sensitivity"] for point in points] == list(frame["sensitivity"])


@pytest.mark.slow
def test_the_table_of_the_command_states_the_borders() -> None:
    found = CliRunner().invoke(app, ["scan", "tabular", *FEW], prog_name="slimscope")
    assert found.exit_code == 0, found.output
    assert "low: KL below 0.01 nat; high: from 0.1 nat on." in found.output


@pytest.mark.slow
def test_two_workspaces_merge_to_what_one_scan_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = said(*FEW)
    for part in ("1/2", "2/2"):
        monkeypatch.setenv(VARIABLE, str(tmp_path / part[0]))
        said(*FEW, "--shard", part)
    merged = said(*FEW, "--shard", "2/2", "--merge", str(tmp_path / "1"))
    assert merged == whole


def test_what_cannot_be_merged_is_said(tmp_path: Path) -> None:
    assert "holds no workspace" in refused("--merge", str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--families", "prune,depth"), "families"),
        (("--points", "0"), "points"),
        (("--shard", "3/2"), "no part 3/2"),
        (("--shard", "half"), "shard"),
        (("--seconds", "-1"), "seconds"),
    ],
)
def test_a_wrong_option_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused(*arguments)


def test_a_job_gives_back_what_the_scan_found() -> None:
    plan = ScanPlan(points=1, families=(Family.STRUCTURE,))
    found = result_of(run(Model.original(mlp_subject()), plan, 0, Store()))
    assert SCAN.unpack(SCAN.pack(found)) == found
    assert SCAN.result(SCAN.pack(found).as_bytes()) == found


def test_a_knob_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="depth"):
        compress_core.scan(mlp_subject(), depth=3)
