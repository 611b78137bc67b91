"""Every command and every figure of the README: what it says is what is printed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch.onnx._internal.exporter._registration  # noqa: F401 - tests/conftest.py lists its operators once
from typer.testing import CliRunner

from compress_core.cli import loading
from compress_core.cli.commands import app
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import open_workspace
from scripts.readme_figures import BEGIN, END, README, recipe_text, written

pytestmark = pytest.mark.slow

TEXT = README.read_text(encoding="utf-8")
STARTS_A_SERVER = "slimscope open"  # tests/test_open.py opens it
SHELL = [block for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) if "slimscope" in block]
COMMANDS = [
    line
    for block in SHELL
    for line in block.splitlines()
    if line.startswith("slimscope ") and not line.startswith(STARTS_A_SERVER)
]

FEW = {"explain": ["--items", "6"], "latency": ["--processes", "3", "--rounds", "3"]}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """What each command prints in one folder with the recipe; a workspace and its store keep what they share.

    Where no figure of the README hangs on it, a command looks at a few items, and measures a few times.
    """
    folder = tmp_path_factory.mktemp("readme")
    (folder / "recipe.yaml").write_text(recipe_text(TEXT), encoding="utf-8")

    @cache
    def run(command: str) -> str:
        _, name, *others = command.split()
        result = CliRunner().invoke(app, [name, *others, *FEW.get(name, [])])
        assert result.exit_code == 0, result.output
        return result.stdout

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SLIMSCOPE_WORKSPACE", str(folder / "kept"))
        patch.setattr(loading, "open_store", cache(loading.open_store))
        yield run


def command_with(word: str) -> str:
    (command,) = [line for line in COMMANDS if line.startswith(f"slimscope {word} ")]
    return command


def told(pattern: str) -> tuple[str, ...]:
    found = re.search(pattern, TEXT)
    assert found is not None, pattern
    return found.groups()


def test_the_readme_shows_commands() -> None:
    assert len(COMMANDS) >= 9


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_runs_on_its_recipe(command: str, printed: Callable[[str], str]) -> None:
    assert printed(command)


def test_the_figures_of_the_readme_are_those_of_today(printed: Callable[[str], str]) -> None:
    """Run `python scripts/readme_figures.py` where they are not; what commands found is kept."""
    printed(command_with("compare"))
    kept = open_workspace()
    assert written(TEXT, Store(workspace=kept)) == TEXT
    kept.close()


def test_the_command_that_packs_writes_as_many_bytes_as_the_readme_says(
    printed: Callable[[str], str],
) -> None:
    printed(command_with("pack"))
    (size,) = told(r"to ([\d,]+) bytes \(packed\)")
    assert f"{Path('resnet.slim').stat().st_size:,}" == size


def test_the_command_that_compares_prints_the_change_and_the_class_that_the_readme_names(
    printed: Callable[[str], str],
) -> None:
    lines = printed(command_with("compare")).splitlines()
    shown = told(r"a change of (\S+) \[(\S+), (\S+)\] points of accuracy")
    row = next(line for line in lines if line.startswith("Accuracy change"))
    assert [float(number) for number in re.findall(r"-?\d+\.\d+", row)] == [float(number) for number in shown]
    digit, change = told(r"the digit (\d), whose \d+ items lose (\S+) points")
    row = next(line for line in lines if line.startswith(f"{digit} "))
    assert f"{float(change):.2f} points" in row
    assert command_with("compare") in TEXT.split(BEGIN)[1].split(END)[0], "figures name what prints them"
