"""slimscope budget: what fits, what is refused before any work, and what a locked row keeps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from compress_core.cli import app
from compress_core.foundation.workspace.folder import VARIABLE
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.recipe.reading import read_recipe, read_resolved

QUICK = ("--families", "bits", "--evaluations", "2")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "work"))
    return tmp_path / "work"


def said(*arguments: str) -> Any:
    found = CliRunner().invoke(app, ["budget", "tabular", *QUICK, *arguments], prog_name="slimscope")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout) if "--json" in arguments else found.stdout


def changed(found: Any) -> list[str]:
    """The layers that the recipe names."""
    return [name for name, _steps in read_resolved(found["recipe"]).layers]


def refused(*arguments: str) -> str:
    found = CliRunner().invoke(app, ["budget", "tabular", *arguments], prog_name="slimscope")
    assert found.exit_code == 2, found.output
    return found.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_recipe_fits_its_bytes_and_leaves_a_locked_layer_alone(workspace: Path, tmp_path: Path) -> None:
    budget, file = 2_700, tmp_path / "small.yaml"
    found = said("--packed-bytes", str(budget), "--json")
    assert found["cost"]["packed_bytes"] <= budget == found["limits"]["packed_bytes"]
    assert {place["place"] for place in found["places"]} == {"fc1", "fc2", "fc3"}
    assert "fc2" in changed(found)
    locked = said("--packed-bytes", str(budget), "--locked", "fc2", "--json", "--write", str(file))
    assert "fc2" not in changed(locked)
    assert locked["cost"]["packed_bytes"] <= budget
    assert [rule.match for rule in read_recipe(file.read_text()).layers] == changed(locked)


@pytest.mark.slow
def test_a_smaller_file_is_found_where_more_may_be_lost(workspace: Path) -> None:
    wish = ("--optimize", "packed_bytes", "--worst-class", "50", "--largest-drop")
    exact, told = said(*wish, "0", "--json"), said(*wish, "20")
    assert exact["holds"]
    loose = int(told.split("bytes of the packed file: ")[1].split()[0].replace(",", ""))
    assert loose < exact["cost"]["packed_bytes"]


def test_bytes_that_no_recipe_reaches_are_refused_before_anything_is_evaluated(workspace: Path) -> None:
    assert "15 bytes of the packed file cannot be reached" in refused("--packed-bytes", "15")
    kept = Workspace.at(workspace)
    (points,) = kept.database.rows("SELECT count(*) FROM scan_points")
    kept.close()
    assert points == (0,)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "nothing is limited: set packed_bytes"),
        (("--largest-drop", "1"), "nothing is limited but a drop, .* set optimize to packed_bytes"),
        (("--optimize", "macs"), "optimize macs needs to know what may be lost: set largest_drop"),
        (("--optimize", "speed", "--largest-drop", "1"), "optimize got 'speed'"),
        (("--packed-bytes", "0"), "packed_bytes"),
        (("--packed-bytes", "2000", "--families", "depth"), "families"),
    ],
)
def test_a_wrong_wish_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    assert re.search(sentence, refused(*arguments))


@pytest.mark.parametrize("place", ["", "no\0name.yaml", "x" * 300, "/proc/nowhere/r.yaml"])
def test_a_place_that_takes_no_recipe_is_refused_with_its_option_before_any_work(
    workspace: Path, tmp_path: Path, place: str
) -> None:
    wish = ("--packed-bytes", "2700", "--write", place if place.startswith("/") else str(tmp_path / place))
    assert "--write" in refused(*wish)
    assert not workspace.exists()


@pytest.mark.slow
@pytest.mark.parametrize("before", [None, "# what stood there\n"])
def test_a_drop_that_does_not_hold_ends_with_1_and_leaves_no_recipe_behind(
    workspace: Path, tmp_path: Path, before: str | None
) -> None:
    file = tmp_path / "small.yaml"
    if before is not None:
        file.write_text(before)
    wish = ("--packed-bytes", "800", "--largest-drop", "0.1", "--json", "--write", str(file), "--force")
    found = CliRunner().invoke(app, ["budget", "tabular", *QUICK, *wish], prog_name="slimscope")
    assert found.exit_code == 1, found.output
    assert json.loads(found.stdout)["holds"] is False
    assert found.stderr.splitlines()[-1] == f"{file} is not written."
    assert (file.read_text() if file.exists() else None) == before


@pytest.mark.slow
def test_where_a_drop_holds_the_divergence_told_is_that_of_the_recipe_written(
    workspace: Path, tmp_path: Path
) -> None:
    file = tmp_path / "small.yaml"
    told = said("--packed-bytes", "2700", "--largest-drop", "50", "--write", str(file))
    evaluated = CliRunner().invoke(app, ["evaluate", "tabular", str(file), "--json"], prog_name="slimscope")
    (said_kl,) = re.findall(r"KL on validation items (\S+) nat", told)
    assert float(said_kl) == pytest.approx(json.loads(evaluated.stdout)["kl"]["value"], abs=6e-5)


@pytest.mark.slow
def test_a_recipe_of_somebody_else_stays_and_our_own_is_replaced(workspace: Path, tmp_path: Path) -> None:
    file, wish = tmp_path / "small.yml", ("--packed-bytes", "2700", "--write")
    file.write_text("layers: []  # mine\n")
    assert "was not written by slimscope" in refused(*wish, str(file))
    assert not workspace.exists()
    assert file.read_text() == "layers: []  # mine\n"
    said(*wish, str(file), "--force")
    written = file.read_bytes()
    said(*wish, str(file))
    assert file.read_bytes() == written


@pytest.mark.parametrize("command", ["budget", "search"])
@pytest.mark.parametrize("given", [("base.yaml",), ("--step", "fc1: magnitude sparsity=0.98")])
def test_a_recipe_has_no_place_where_one_is_found(
    workspace: Path, tmp_path: Path, command: str, given: tuple[str, ...]
) -> None:
    (tmp_path / "base.yaml").write_text("layers: []\n")
    given = tuple(str(tmp_path / word) if word.endswith(".yaml") else word for word in given)
    found = CliRunner().invoke(app, [command, "tabular", *given], prog_name="slimscope")
    assert found.exit_code == 2, found.output
    assert f"slimscope {command} finds the recipe itself" in " ".join(found.stderr.split())
    assert not workspace.exists()


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("w.safetensors", "--write is FILE.yaml"),
        ("small.json", "--write is FILE.yaml"),
        ("items.yaml", "would replace a file that is read"),
    ],
)
def test_a_recipe_replaces_nothing_that_is_read_even_by_force(
    workspace: Path, tmp_path: Path, place: str, sentence: str
) -> None:
    file = tmp_path / place
    file.write_text("as it was")
    read = ("--data", str(tmp_path / "items.yaml"))
    assert sentence in refused(*read, "--packed-bytes", "2700", "--write", str(file), "--force")
    assert file.read_text() == "as it was"


def test_a_layer_that_is_not_there_is_not_locked_without_a_word(workspace: Path) -> None:
    assert "No layer or group is called 'fc9': did you mean fc" in refused(
        "--packed-bytes", "2700", "--locked", "fc9"
    )
