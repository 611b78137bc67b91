"""models list and store on the command line: the workspace's models with their numbers, and its care."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from compress_core.apply.run import compress
from compress_core.cli import app
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.measure.behavior.evaluate import evaluate
from compress_core.recipe.values import Step
from tests.subjects import mlp_subject, rules


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", str(tmp_path / "work"))
    subject, store = mlp_subject(), Store(workspace=Workspace.at(tmp_path / "work"))
    made = compress(subject, rules(any=Step.of("magnitude", sparsity=0.6)), store)
    evaluate(made, subject.split("validation"), store)
    assert store.workspace is not None
    store.workspace.close()
    return made.key


def said(*words: str, given: str = "", code: int = 0) -> str:
    result = CliRunner().invoke(app, list(words), input=given)
    assert result.exit_code == code, result.output
    return result.output


def test_models_alone_are_the_samples_and_list_is_what_was_made(model: str) -> None:
    assert "lenet5" in said("models")
    assert {m["name"] for m in json.loads(said("models", "--json"))} >= {"lenet5"}
    assert model[:12] in said("models", "list")
    root, made = json.loads(said("models", "list", "--json"))
    assert (root["operation"], made["key"], made["what"]) == ("original", model, "magnitude sparsity=0.6 ×3")
    assert made["accuracy"]["n"] == 12
    assert json.loads(said("models", "list", "lenet5", "--json")) == []
    assert len(json.loads(said("models", "list", "tiny", "--json"))) == 2


def test_one_model_is_shown_with_the_way_to_it_its_tags_and_its_note(model: str) -> None:
    said("models", "tag", model[:8], "small")
    said("models", "note", model[:8], "loses the sevens")
    shown = json.loads(said("models", "show", model[:8], "--json"))
    assert [each["key"] for each in shown["lineage"]][-1] == model
    assert (shown["tags"], shown["note"]) == (["small"], "loses the sevens")
    assert "magnitude sparsity=0.6" in said("models", "show", model)
    said("models", "tag", model[:8], "small", "--remove")
    assert json.loads(said("models", "show", model[:8], "--json"))["tags"] == []


def test_deleting_says_what_goes_and_asks(model: str) -> None:
    assert model[:12] in said("models", "delete", model, given="n\n", code=130)
    assert len(json.loads(said("models", "list", "--json"))) == 2
    said("models", "delete", model, given="y\n")
    assert len(json.loads(said("models", "list", "--json"))) == 1


def test_a_store_is_listed_checked_pruned_and_moved(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert json.loads(said("store", "list", "--json"))["models"] == 2
    assert json.loads(said("store", "check", "--json"))["problems"] == []
    assert "nothing to prune" in said("store", "prune")
    with_file = Workspace.at(tmp_path / "work")
    path = with_file.files.path(with_file.files.put(b"lonely"))
    with_file.close()
    assert path is not None
    path.write_bytes(b"damaged")
    assert "is damaged" in said("store", "check", code=1)
    said("store", "check", "--repair")
    said("store", "move", str(tmp_path / "away"))
    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", str(tmp_path / "away"))
    assert model[:12] in said("models", "list")
