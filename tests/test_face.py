"""The public face: a dozen names, quick to import, with values that show themselves."""

from __future__ import annotations

import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import compress_core
from compress_core import (
    Recipe,
    Refused,
    compare,
    compress,
    evaluate,
    explain,
    export,
    load,
    pack,
    read_recipe,
)
from compress_core.face.compress_model import recipe_from

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
TEXT = "layers: [{match: fc1, steps: [{technique: magnitude, sparsity: 0.9}]}]"
RULES = {"layers": [{"match": "fc1", "steps": [{"technique": "magnitude", "sparsity": 0.9}]}]}
HEAVY = ("torch", "pandas", "plotly", "numpy", "pydantic", "streamlit")


class Small(nn.Module):
    """8 numbers in, 3 classes out."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(8, 6)
        self.out = nn.Linear(6, 3)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        return self.out(self.hidden(items).relu())


def items(count: int = 40) -> torch.Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(0))


def test_importing_the_core_loads_nothing_that_takes_long() -> None:
    asks = f"import sys, compress_core; print([name for name in {HEAVY} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        [sys.executable, "-c", asks], capture_output=True, text=True, check=True, env=environment
    )
    assert said.stdout.strip() == "[]"


def test_every_name_of_the_face_is_listed_found_and_says_what_it_does() -> None:
    for name in compress_core.__all__:
        assert name in dir(compress_core)
        assert getattr(compress_core, name).__doc__
    assert len(compress_core.__all__) <= 16


@pytest.mark.parametrize(
    "name", [n for n in compress_core.__all__ if n not in {"Recipe", "Refused", "__version__"}]
)
def test_a_function_of_the_face_says_when_it_refuses(name: str) -> None:
    said = getattr(compress_core, name).__doc__
    assert "aises Refused" in said


def test_no_room_of_the_core_takes_the_name_of_a_function() -> None:
    rooms = {found.name for found in pkgutil.iter_modules(compress_core.__path__)}
    assert not rooms & set(compress_core.__all__), (
        "an import of the room would put it in the function's place"
    )


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'train_everything'"):
        compress_core.train_everything  # noqa: B018 - asking is the test


def quickstart() -> str:
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None, "the README has a quickstart"
    return found.group(1)


def test_the_quickstart_has_ten_lines_at_most() -> None:
    assert len(quickstart().strip().splitlines()) <= 10


@pytest.mark.slow
def test_the_quickstart_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(quickstart(), "README.md", "exec"), names)
    assert (tmp_path / "lenet5.slim").stat().st_size < 200_000
    assert isinstance(names["small"].network(), nn.Module)


@pytest.mark.parametrize("form", ["text", "dict", "path", "name", "recipe"])
def test_a_recipe_in_any_form_is_the_same_recipe(form: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(TEXT, encoding="utf-8")
    forms = {"text": TEXT, "dict": RULES, "path": path, "name": str(path), "recipe": read_recipe(TEXT)}
    assert recipe_from(forms[form]) == read_recipe(TEXT)
    assert isinstance(recipe_from(forms[form]), Recipe)


def test_a_recipe_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match=r"nowhere\.yaml cannot be read"):
        compress(load("lenet300"), "nowhere.yaml")


@pytest.mark.parametrize("kind", ["array", "tensor", "file"])
def test_a_network_of_ones_own_is_loaded_with_its_items(kind: str, tmp_path: Path) -> None:
    labels = np.arange(40) % 3
    given = {"array": items().numpy(), "tensor": items()}
    if kind == "file":
        np.savez(tmp_path / "items.npz", inputs=items().numpy(), labels=labels)
        subject = load(Small(), tmp_path / "items.npz", classes=("a", "b", "c"))
    else:
        subject = load(Small(), given[kind], labels, classes=("a", "b", "c"))
    assert subject.classes == ("a", "b", "c")
    assert torch.equal(subject.split("validation").inputs, items())
    assert subject.split("validation").labels.tolist() == labels.tolist()


def test_loading_changes_nothing_of_the_network_that_was_given() -> None:
    network = Small().double().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    subject = load(network, items())
    assert network.training
    assert all(p.requires_grad and p.dtype == torch.float64 for p in network.parameters())
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in before.items())
    network.hidden.weight.data.zero_()
    assert subject.network.hidden.weight.abs().sum() > 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"labels": [0, 1]}, "labels go with items given as an array"),
        ({"items": "items.npz", "labels": [0, 1]}, "labels go with items given as an array"),
        ({"items": torch.randn(4, 8), "labels": [0, 1]}, r"labels have shape \[2\]"),
        ({"items": torch.full((4, 8), torch.nan)}, "4 of 4 items hold NaN"),
        ({"items": torch.randn(4, 7)}, r"item of shape \[7\]"),
        ({"items": torch.randn(4, 8), "labels": [0, 1, 2, 3]}, "3 classes, 0 to 2"),
        ({"items": torch.randn(4, 8), "classes": ("a", "b")}, "2 names of classes"),
        ({}, "shape of one item"),
    ],
)
def test_what_does_not_fit_a_network_is_refused(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(Refused, match=says):
        load(Small(), **arguments)


def test_a_factory_beside_a_sample_is_refused() -> None:
    with pytest.raises(Refused, match="leave it out for lenet300"):
        load("lenet300", factory="json:loads")


def test_a_file_of_weights_is_loaded_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes((ROOT / "sample_models" / "lenet300" / "weights.safetensors").read_bytes())
    assert load(path).digest == load("lenet300").digest == load(str(path)).digest


def small_lenet() -> object:
    return compress(load("lenet300"), TEXT)


def test_an_evaluation_is_a_frame_with_intervals_and_shows_itself() -> None:
    found = evaluate(load("lenet300"))
    row = found.frame().loc["accuracy"]
    assert row["low"] < row["value"] < row["high"]
    assert row["n"] == 6000
    assert row["how"] == "measured"
    assert "accuracy" in found._repr_html_()


def test_what_cannot_be_measured_says_why_in_the_frame() -> None:
    frame = evaluate(load(Small(), items())).frame()
    assert np.isnan(frame.loc["accuracy", "value"])
    assert "label" in frame.loc["accuracy", "reason"]
    assert set(frame.loc[frame["value"].isna(), "how"]) == {"not measured"}
    assert "not measured" not in set(frame.loc[frame["value"].notna(), "how"])


def test_a_comparison_puts_the_original_beside_the_model() -> None:
    compared = compare(small_lenet())
    frame = compared.frame()
    assert frame.loc["bytes", "original"] > frame.loc["bytes", "value"]
    assert frame.loc["accuracy", "original"] == evaluate(load("lenet300")).numbers["accuracy"].value
    verdict = f"{compared.behavior.no_loss().said} (95 % confidence, validation split, N = 6,000)"
    assert verdict in compared._repr_html_()


def test_the_figure_shows_every_class_with_the_interval_of_the_frame() -> None:
    compared = compare(small_lenet())
    trace = compared.figure().data[0]
    classes = compared.per_class().set_index("class").loc[list(trace.y)]
    assert len(trace.y) == 10
    np.testing.assert_allclose(trace.x, classes["change"])
    np.testing.assert_allclose(np.add(trace.x, trace.error_x.array), classes["high"])
    np.testing.assert_allclose(np.subtract(trace.x, trace.error_x.arrayminus), classes["low"])
    assert "N = 6,000" in compared.figure().layout.title.text


def test_a_figure_without_labels_is_refused_with_what_to_look_at_instead() -> None:
    small = compress(load(Small(), items()), "layers: [{match: hidden, steps: [magnitude]}]")
    with pytest.raises(Refused, match="look at churn"):
        compare(small).figure()


@pytest.mark.slow
def test_an_explanation_has_a_row_for_each_item_and_both_floors() -> None:
    found = explain(small_lenet(), "saliency", items=4)
    assert found.items()["item"].tolist() == found.found.chosen.tolist()
    assert {"noise ceiling", "random floor"} <= set(found.frame()["group"])
    assert "random floor" in found._repr_html_()


def test_what_is_packed_has_the_bytes_that_are_said(tmp_path: Path) -> None:
    packed = pack(small_lenet(), tmp_path / "small.slim")
    assert packed.bytes == (tmp_path / "small.slim").stat().st_size
    assert packed.bytes in packed.frame()["value"].tolist()


def test_a_stranger_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "taxes.txt").write_text("2026")
    with pytest.raises(Refused, match="not written by slimscope, or was changed since"):
        pack(small_lenet(), tmp_path / "taxes.txt")
    with pytest.raises(Refused, match="cannot be written"):
        pack(small_lenet(), tmp_path / "taxes.txt" / "small.slim")
    with pytest.raises(Refused, match="cannot be written"):
        export(small_lenet(), tmp_path / "taxes.txt")


@pytest.mark.slow
def test_an_export_is_written_and_was_run(tmp_path: Path) -> None:
    made = export(small_lenet(), tmp_path)
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == dict(made.files)
    assert made.frame().loc["same_class", "value"] == 1
    assert "same_class" in made._repr_html_()


def test_an_unknown_export_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="source, onnx, int8"):
        export(small_lenet(), tmp_path, "coreml")
