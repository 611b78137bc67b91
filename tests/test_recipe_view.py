"""The program that Tune shows does what the page did."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from compress_core import load
from compress_core.apply.lineage import with_recipe
from compress_core.apply.run import compress, resolved_for
from compress_core.foundation.store import Store
from compress_core.recipe.reading import read_recipe
from compress_core.recipe.values import Recipe, Rule, Step
from dashboard import state
from dashboard.files_opened import ModelFiles
from dashboard.tune.recipe_view import as_python, program_of
from dashboard.view import View
from tests.subjects import loaded_sample, rules


@pytest.mark.parametrize("name", ["nets\\new.py:build", 'a"b', "it's", "a\u202eb", "end\\"])
@pytest.mark.parametrize("match", ["a\\b*", 'x"""y', "tab\tx", "\u202ey", "*'"])
def test_the_program_holds_any_name_as_it_is(name: str, match: str) -> None:
    recipe = Recipe((Rule(match, (Step.of("magnitude", sparsity=0.25),)),))
    shown = program_of(recipe.as_yaml(), name, "items.npz")
    texts = [node.value for node in ast.walk(ast.parse(shown)) if isinstance(node, ast.Constant)]
    written = [text for text in texts if isinstance(text, str)]
    assert written[0] == name
    assert read_recipe(next(text for text in written if "magnitude" in text)) == recipe
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize("is_own", [False, True], ids=["a sample", "one's own"])
def test_the_program_that_is_shown_makes_the_model_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_own: bool
) -> None:
    subject = loaded_sample("tabular")
    recipe = resolved_for(subject, rules(fc1=Step.of("magnitude", sparsity=0.5)), Store())
    model = f"{state.USER_MODEL}1" if is_own else "tabular"
    view = View(model, with_recipe((), recipe), "fc1")
    save_file(subject.network.state_dict(), tmp_path / "weights.safetensors")
    split = subject.split("validation")
    np.savez(tmp_path / "items.npz", inputs=subject.input.raw(split.inputs).numpy(), labels=split.labels)
    (tmp_path / "program.py").write_text(as_python(view, subject), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    made = runpy.run_path("program.py")
    assert made["network"].fc1.weight.equal(compress(subject, recipe, Store()).network().fc1.weight)
    assert "accuracy" in capsys.readouterr().out


def test_the_program_for_uploaded_files_names_them_and_what_was_said_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table whose label is a column in the middle, of a network that answers with a real number."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    save_file(network.state_dict(), tmp_path / "my price.safetensors")
    rows = "\n".join(f"{i / 60},{i % 7 + 0.5},{i % 5}" for i in range(60))
    (tmp_path / "homes.csv").write_text(f"size,price,rooms\n{rows}\n")
    monkeypatch.chdir(tmp_path)
    files = ModelFiles("my price.safetensors", "homes.csv", label_column="price", task="regression")
    subject = load("my price.safetensors", "homes.csv", label_column="price", task="regression")
    recipe = resolved_for(subject, rules(**{"0": Step.of("magnitude", sparsity=0.5)}), Store())
    view = View(f"{state.USER_MODEL}1", with_recipe((), recipe), "0")
    (tmp_path / "program.py").write_text(as_python(view, subject, files), encoding="utf-8")
    made = runpy.run_path("program.py")
    assert made["model"].key == subject.key
    assert made["network"].get_parameter("0.weight").count_nonzero() == 8
    assert "task='regression'" in as_python(view, subject).replace('"', "'")


def test_the_program_for_a_zip_says_that_it_is_to_be_unpacked() -> None:
    view = View(f"{state.USER_MODEL}1", (), "fc1")
    shown = as_python(view, loaded_sample("tabular"), ModelFiles("bert.zip", "texts.jsonl"))
    assert shown.startswith('# "bert" is the folder in "bert.zip": unpack it first.\n')
    assert 'load("bert", "texts.jsonl")' in shown
