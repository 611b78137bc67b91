"""What can be refused without a look at test answers is refused before it: a look cannot be taken back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from compress_core.cli import app
from compress_core.foundation.workspace.folder import VARIABLE
from compress_core.foundation.workspace.workspace import Workspace
from tests.test_review import FEW

pytestmark = pytest.mark.slow

GATES = FEW + "gates: [{measure: churn, limit: 0.9}]"
STEP = ("--step", "fc1: uniform bits=8")
LABELS = "item,label\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "work"))
    (tmp_path / "g.yaml").write_text(GATES)
    (tmp_path / "g.json").write_text(json.dumps({"gates": []}))
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "taken.json").mkdir()
    (tmp_path / "a_file").write_text("")
    (tmp_path / "dangling.html").symlink_to("nowhere.html")
    for name in ("kept.html", "beside.json", "kept.zip", "kept.csv"):
        (tmp_path / name).write_text("evidence")
    (tmp_path / "l.csv").write_text(LABELS + "0,zebra\n")
    (tmp_path / "far.csv").write_text(LABELS + "100000,0\n")
    (tmp_path / "halves.csv").write_text("item;label\n0;0\n")
    np.savez(tmp_path / "own.npz", inputs=np.zeros((12, 30), np.float32), group=np.arange(12))
    return tmp_path


@pytest.fixture
def looks(folder: Path) -> Iterator[list[object]]:
    """The looks that a workspace has noted, once they are asked for."""
    found: list[object] = []
    yield found
    if (folder / "work").exists():
        workspace = Workspace.at(folder / "work")
        found.extend(workspace.database.rows("SELECT * FROM looks"))
        workspace.close()
    assert found == []


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["review", "tabular", *STEP, *arguments], prog_name="slimscope")


WRONG = [
    (("--out", "r.json"), "--out is FILE.html"),
    (("--out", "r"), "--out is FILE.html"),
    (("--zip", "r.html"), "--zip is FILE.zip"),
    (("--out", "/proc/nowhere/r.html"), "--out .* cannot be written"),
    (("--out", "a_file/r.html"), "--out .* cannot be written"),
    (("--zip", "x" * 300 + ".zip"), "--zip .* cannot be written"),
    (("--disagreements", "/proc/d.csv"), "--disagreements .* cannot be written"),
    (("--out", "folder.html"), "--out folder.html is a folder"),
    (("--out", "taken.html"), "--out taken.json is a folder"),
    (("--out", "g.html", "--gates", "g.json"), "--out g.json would replace a file that is read"),
    (("--disagreements", "own.npz", "--data", "own.npz"), "would replace a file that is read"),
    (("--out", "kept.html"), "--out kept.html is there already .* --force"),
    (("--out", "dangling.html"), "--out dangling.html is there already .* --force"),
    (("--out", "beside.html"), "--out beside.json is there already .* --force"),
    (("--zip", "kept.zip"), "--zip kept.zip is there already .* --force"),
    (("--disagreements", "kept.csv"), "--disagreements kept.csv is there already .* --force"),
    (("--out", "r.zip", "--zip", "./r.zip"), "Two files would go to"),
    (("--out", "r.html", "--lang", "de"), "no language de"),
    (("--lang", "de"), "no language de"),
    (("--lang", ""), "no language"),
    (("--decision", "approve"), "needs the name"),
    (("--split", "holdout"), "holdout"),
    (("--labels", "nowhere.csv"), "cannot be read"),
    (("--labels", "l.csv"), "labels already"),
    (("--labels", "l.csv", "--data", "own.npz"), "'zebra', which is no class"),
    (("--labels", "far.csv", "--data", "own.npz"), "item 100000, but the validation split has 12 items"),
    (("--labels", "halves.csv", "--data", "own.npz"), r"columns item \(or file_item\) and label"),
    (("--group-column", "group"), "add --data"),
    (("--group-column", "grupp", "--data", "own.npz"), "no array grupp; it holds .*group"),
    (("--gates", "own.npz"), "no text in UTF-8"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(a)[:40] for a, _ in WRONG])
def test_what_is_wrong_is_refused_before_anybody_looks(
    looks: list[object], arguments: tuple[str, ...], said: str
) -> None:
    found = run(*(() if "--gates" in arguments else ("--gates", "g.yaml")), *arguments)
    assert found.exit_code == 2, found.output
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(found.stderr)


@pytest.mark.skipif(os.geteuid() == 0, reason="everything may be written by root")
def test_a_folder_that_may_not_be_written_is_refused(looks: list[object], folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o500)
    assert run("--gates", "g.yaml", "--out", "closed/r.html").exit_code == 2


def test_nothing_is_left_where_it_was_tried_whether_a_file_can_be_written(folder: Path) -> None:
    before = sorted(folder.iterdir())
    assert run("--gates", "g.yaml", "--out", "r.html", "--lang", "de").exit_code == 2
    assert run("--gates", "g.yaml", "--out", "new/r.html", "--split", "holdout").exit_code == 2
    assert [each for each in sorted(folder.iterdir()) if each.name != "work"] == before


def test_a_report_is_replaced_where_that_is_asked_for(folder: Path) -> None:
    assert run("--gates", "g.yaml", "--out", "kept.html", "--force").exit_code == 0
    assert (folder / "kept.html").read_text().startswith("<!doctype html>")


def test_a_look_is_noted_where_labels_turn_out_wrong_only_by_looking_and_gates_are_fixed_before_it(
    folder: Path,
) -> None:
    (folder / "agree.csv").write_text(LABELS + "0,0\n")
    found = run("--gates", "g.yaml", "--data", "own.npz", "--labels", "agree.csv")
    assert "on which both models agree" in found.stderr
    workspace = Workspace.at(folder / "work")
    ((noted, since),) = workspace.database.rows("SELECT looks.time, gates.time FROM looks CROSS JOIN gates")
    workspace.close()
    assert since <= noted


def test_a_file_of_advisory_gates_ends_with_3_and_says_why(folder: Path) -> None:
    (folder / "advisory.yaml").write_text(FEW + "gates: [{measure: churn, limit: 0.9, required: false}]")
    found = run("--gates", "advisory.yaml", "--out", "r.html")
    assert found.exit_code == 3, found.output
    assert "NOT MEASURED (own gates): Every gate is advisory, so none decides" in found.stdout
    assert "Every gate is advisory" in (folder / "r.html").read_text()
    assert "Every gate is advisory" in json.loads((folder / "r.json").read_text())["because"]
    checked = CliRunner().invoke(app, ["gates", "advisory.yaml"], prog_name="slimscope")
    assert "Every gate is advisory" in checked.stdout


def verified(text: str | bytes, folder: Path) -> str:
    place = folder / "r.json"
    place.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = CliRunner().invoke(app, ["verify", str(place)], prog_name="slimscope")
    assert found.exit_code in {1, 2}, found.output
    return str(found.stderr + found.stdout)


def test_verify_says_that_a_file_is_not_there(folder: Path) -> None:
    found = CliRunner().invoke(app, ["verify", "nofile.json"], prog_name="slimscope")
    assert found.exit_code == 2
    assert "nofile.json cannot be read (No such file or directory)" in found.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"format": 2, "format": 2, "seals": {}}', "'format' stands twice"),
        ('{"format": 2, "model": {"n": 1, "n": 2}, "seals": {}}', "'n' stands twice"),
        ('{"format": 2, "judged": [{"a": 1, "\\u0061": 1}], "seals": {}}', "'a' stands twice"),
        ('{"format": 2, "seals": {"x": "1", "x": "2"}}', "'x' stands twice"),
        ('{"format": NaN}', "NaN is no number"),
        ('{"format": 2, "seals": {}} {}', "Extra data"),
        ("[" * 100_000, "too deep|Expecting"),
        (b'{"format": "\xff"}', "codec can't decode"),
        ("[]", "holds no report"),
    ],
)
def test_a_report_that_could_be_read_in_two_ways_is_refused(
    folder: Path, text: str | bytes, said: str
) -> None:
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(verified(text, folder))
