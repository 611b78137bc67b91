"""slimscope train: the same training as in Python, to be gone on with, and taken up by other commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from compress_core.cli import app, training
from compress_core.deliver.trained_folder import CHECKPOINT, HISTORY, WEIGHTS, read_history, read_value
from compress_core.face.compress_model import compress
from compress_core.face.load_model import load
from compress_core.face.measure_model import evaluate
from compress_core.face.train_compressed import train
from compress_core.foundation.store import Store
from compress_core.training.checkpoint import Checkpoint
from compress_core.training.method import training_methods
from compress_core.training.plan import TrainingKnobs

PRUNED = ("tabular", "--step", "*: magnitude sparsity=0.8")
THREE = ("--epochs", "3", "--learning-rate", "0.01")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="slimscope")


def said(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, SystemExit), result.output
    assert result.exit_code == 2
    return result.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a training of three epochs was left."""
    out: Path = tmp_path_factory.mktemp("trained") / "out"
    said("train", *PRUNED, *THREE, "--out", str(out))
    return out


def test_the_command_and_python_train_to_the_same_numbers(folder: Path) -> None:
    subject = load("tabular")
    small = compress(
        subject, {"layers": [{"match": "*", "steps": [{"technique": "magnitude", "sparsity": 0.8}]}]}
    )
    seen: list[int] = []
    found = train(small, epochs=3, learning_rate=0.01, watch=lambda f: seen.append(f.epoch), store=Store())
    assert seen == [1, 2, 3]
    numbers = evaluate(found.model, store=Store()).numbers
    told = said("compare", "tabular", "--trained", str(folder))
    assert {name: told[name]["value"] for name in numbers} == {n: v.value for n, v in numbers.items()}
    assert list(found.frame()["epoch"]) == [1, 2, 3]


def test_a_training_that_was_interrupted_is_gone_on_with_to_the_same_end(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def until_epoch_two(figures: Any, _objective: Any) -> str:
        if figures.epoch == 2:
            raise KeyboardInterrupt
        return "epoch"

    with monkeypatch.context() as stopped:
        stopped.setattr(training, "_epoch_line", until_epoch_two)
        assert run("train", *PRUNED, *THREE, "--out", str(tmp_path)).exit_code == 130
    assert read_value(tmp_path / CHECKPOINT, Checkpoint).epochs == 2, "an epoch is kept before it is said"
    assert not (tmp_path / WEIGHTS).exists()
    assert run("train", "--resume", str(tmp_path)).exit_code == 0
    assert (tmp_path / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()
    assert (tmp_path / HISTORY).read_bytes() == (folder / HISTORY).read_bytes()
    assert not (tmp_path / CHECKPOINT).exists()


def test_what_another_training_left_in_the_folder_is_not_taken_for_one_that_was_interrupted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (HISTORY, WEIGHTS):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / CHECKPOINT).write_bytes((folder / WEIGHTS).read_bytes())

    def at_once(*_training: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr(training, "_watched", at_once)
        assert run("train", *PRUNED, "--epochs", "1", "--out", str(tmp_path)).exit_code == 130
    assert not (tmp_path / CHECKPOINT).exists()
    assert "was interrupted: go on" in refused("compare", "tabular", "--trained", str(tmp_path))
    (tmp_path / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes())  # a kill came before the history's end
    assert "was interrupted: go on" in refused("compare", "tabular", "--trained", str(tmp_path))
    assert run("train", "--resume", str(tmp_path)).exit_code == 0
    assert said("compare", "tabular", "--trained", str(tmp_path))["lineage"][-1]["epochs"] == 1


def test_every_knob_of_every_method_is_listed_as_an_option() -> None:
    listed = {told["name"]: set(told["knobs"]) for told in said("methods")}
    assert listed.pop("training") == set(TrainingKnobs.model_fields)
    assert listed == {name: set(method.knobs.model_fields) for name, method in training_methods().items()}


@pytest.mark.parametrize("command", ["evaluate", "compare", "explain", "export", "latency"])
def test_numbers_of_a_trained_model_say_the_training_beside_the_recipe(
    folder: Path, tmp_path: Path, command: str
) -> None:
    more = {"explain": ["--items", "4"], "export": ["--to", "onnx", "--out", str(tmp_path / "out")]}
    told = said(command, "tabular", "--trained", str(folder), *more.get(command, []))
    assert told["lineage"] == read_history(folder)["lineage"]


def test_beside_the_numbers_of_a_trained_model_stands_which_items_chose_the_epoch(folder: Path) -> None:
    asked = ("evaluate", "tabular", "--trained", str(folder))
    assert (
        "Validation items chose the epoch, so they tend to find it too good: --split test"
        in run(*asked).stdout
    )
    assert "these test items chose nothing" in run(*asked, "--split", "test").stdout
    assert "Validation items chose" not in run("train", "--epochs=1", *PRUNED).stdout, "there was one"


def test_one_epoch_is_not_called_epochs() -> None:
    assert ", trained 1 epoch;" in run("train", "--epochs=1", *PRUNED).stdout


def test_a_knob_may_be_written_with_an_equals_sign_and_before_the_model() -> None:
    one = said("train", "--epochs=1", *PRUNED, "--method", "distill", "--temperature=2")
    other = said("train", *PRUNED, "--temperature", "2", "--epochs", "1", "--method", "distill")
    assert one == other


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--temperature", "3"), "temperature is a knob of distill"),
        (("--spoons", "3"), "has no knob spoons"),
        (("--epochs", "many"), "epochs"),
        (("--epochs",), "A knob is written"),
        (("--method", "distil"), "did you mean distill"),
        (("--method", "distill", "--method", "fine_tune"), "leave one of them out"),
        (("--resume", "nowhere"), "leave everything else out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_trained_is_told_in_a_sentence(arguments: tuple[str, ...], what: str) -> None:
    assert what in refused("train", *PRUNED, *arguments)


def test_a_folder_that_holds_no_training_is_refused(tmp_path: Path) -> None:
    assert "holds no training" in refused("compare", "tabular", "--trained", str(tmp_path))
    assert "holds no training" in refused("train", "--resume", str(tmp_path))


@pytest.mark.parametrize("name", [HISTORY, WEIGHTS])
@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\0" * 100, b"[1]"], ids=["empty", "braces", "zeros", "list"]
)
def test_a_damaged_folder_is_refused(folder: Path, tmp_path: Path, name: str, content: bytes) -> None:
    for file in (HISTORY, WEIGHTS):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    (tmp_path / name).write_bytes(content)
    assert "damaged" in refused("compare", "tabular", "--trained", str(tmp_path))


def test_weights_of_another_model_are_refused(folder: Path) -> None:
    assert "another model" in refused("evaluate", "lenet300", "--trained", str(folder))


def test_a_recipe_is_done_to_what_a_training_left(folder: Path) -> None:
    trained = said("compare", "tabular", "--trained", str(folder))
    rounded = said("compare", "tabular", "--step", "*: uniform bits=4", "--trained", str(folder))
    assert [done["operation"] for done in rounded["lineage"]] == ["compress", "train", "compress"]
    assert rounded["bytes"]["value"] < trained["bytes"]["value"]
    sparsity = [[row["sparsity"]["value"] for row in told["layers"]] for told in (trained, rounded)]
    assert all(after >= before for before, after in zip(*sparsity, strict=True))
    cut = said("compare", "tabular", "--step", "prepare: cut_zero_units", "--trained", str(folder))
    assert cut["macs"]["value"] < trained["macs"]["value"]
    assert cut["accuracy"] == trained["accuracy"]


def test_files_of_others_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / HISTORY).write_text("mine")
    assert "--force" in refused("train", *PRUNED, "--epochs", "1", "--out", str(tmp_path))
    assert (tmp_path / HISTORY).read_text() == "mine"


def test_options_of_the_command_are_no_knobs() -> None:
    assert "--method" in run("train", "--help").stdout
