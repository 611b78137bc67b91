"""A second start, a worker and a command line find what was computed before them."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from compress_core.apply.context import STATISTICS
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.apply.views.weight_view import derive
from compress_core.foundation.store import Store
from compress_core.foundation.stored_value import from_bytes, to_bytes
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs import perform
from compress_core.loading.items import Items
from compress_core.loading.samples import load_sample
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.behavior.evaluate import PREDICTIONS, compare, evaluate, is_predicted, predict
from compress_core.network.written_code import code_of
from compress_core.recipe.reading import parse_recipe
from compress_core.recipe.values import Step
from compress_core.statistics import statistics
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.tasks.explain_items import EXPLAIN, ExplainKnobs
from tests.served import main_of
from tests.subjects import rules

ROOT = Path(__file__).resolve().parent.parent
STEPS = [{"technique": "magnitude", "sparsity": 0.5}, {"technique": "uniform", "bits": 4}]
SPLIT = "validation"

EVALUATE = ("evaluate", "tabular", "--step", "fc1: magnitude sparsity=0.5")


def _compared(folder: Path) -> tuple[Store, Model, Split]:
    store = Store(workspace=Workspace.at(folder))
    subject = load_sample("tabular")
    model = compress(subject, parse_recipe({"layers": [{"match": "fc*", "steps": STEPS}]}), store)
    return store, model, subject.split(SPLIT)


def test_a_second_start_answers_a_known_comparison_without_computing(tmp_path: Path) -> None:
    first, model, split = _compared(tmp_path)
    before = compare(model, split, first)
    assert first.computed[PREDICTIONS] == 2
    second, model, split = _compared(tmp_path)
    assert is_predicted(model, split, second)
    after = compare(model, split, second)
    assert (second.computed[PREDICTIONS], second.found[PREDICTIONS]) == (0, 2)
    for old, new in ((before.before, after.before), (before.after, after.after)):
        np.testing.assert_array_equal(old.logits, new.logits)
        np.testing.assert_array_equal(old.labels, new.labels)
    assert {n: v.as_json() for n, v in evaluate(model, split, second).items()} == {
        n: v.as_json() for n, v in evaluate(model, split, first).items()
    }


def test_other_items_are_computed(tmp_path: Path) -> None:
    first, model, split = _compared(tmp_path)
    compare(model, split, first)
    assert split.labels is not None
    fewer = Split(split.name, split.inputs[:20], split.labels[:20])
    second, model, _ = _compared(tmp_path)
    compare(model, fewer, second)
    assert second.computed[PREDICTIONS] == 2


def test_an_evaluation_is_noted_for_who_lists_models(tmp_path: Path) -> None:
    store, model, split = _compared(tmp_path)
    numbers = evaluate(model, split, store)
    noted = Workspace.at(tmp_path).evaluations.find(model.key, split.digest)
    assert noted is not None
    assert (noted.split, noted.n) == (SPLIT, len(split))
    assert noted.numbers["accuracy"] == numbers["accuracy"].as_json()


def _evaluated(folder: Path) -> tuple[str, list[int]]:
    """What `slimscope evaluate` prints, and how many predictions it computed and found."""
    command = [*main_of("tests.counted_command"), *EVALUATE]
    environment = {"SLIMSCOPE_WORKSPACE": str(folder), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=ROOT)
    return finished.stdout, [int(count) for count in finished.stderr.split()]


@pytest.mark.slow
def test_the_command_line_finds_what_it_computed_before(tmp_path: Path) -> None:
    first, counts = _evaluated(tmp_path)
    assert counts == [2, 0]
    second, counts = _evaluated(tmp_path)
    assert counts == [0, 2]
    assert second == first


# --- statistics --------------------------------------------------------------------------------------


class Slow:
    """A clock by which everything takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


STEPS_ON_STATISTICS = [
    ("taylor", {"sparsity": 0.5}),
    ("wanda", {"sparsity": 0.5}),
    ("sparsegpt", {"sparsity": 0.5}),
    ("gptq", {"bits": 4}),
    ("kmeans", {"bits": 3}),
    ("low_rank", {"rank": 2}),
    ("whitened_low_rank", {"rank": 2}),
    ("tucker", {"rank_in": 2, "rank_out": 2}),
    ("spatial", {"rank": 2}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("technique", "knobs"), STEPS_ON_STATISTICS, ids=[t for t, _ in STEPS_ON_STATISTICS])
def test_a_slow_statistic_is_found_and_gives_the_same_bits(
    tmp_path: Path, technique: str, knobs: dict[str, float]
) -> None:
    subject = load_sample("lenet5")
    recipe = rules(conv2=(Step.of(technique, **knobs),))
    values = []
    for found in (False, True):
        store = Store(workspace=Workspace.at(tmp_path), clock=Slow())
        values.append(compress(subject, recipe, store).values("conv2"))
        assert (store.found[STATISTICS] > 0) is found
        assert (store.computed[STATISTICS] > 0) is not found
    np.testing.assert_array_equal(*values)


@pytest.mark.slow
def test_a_worker_finds_what_the_server_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = load_sample("lenet5")
    recipe = rules(conv2=(Step.of("gptq", bits=4),))
    model = compress(subject, recipe, Store(workspace=Workspace.at(tmp_path / "work"), clock=Slow()))
    stores: list[Store] = []

    def opened(size: int, workspace: Workspace) -> Store:
        stores.append(Store(size, workspace, clock=Slow()))
        return stores[-1]

    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", str(tmp_path / "work"))
    monkeypatch.setattr(perform, "Store", opened)
    job = EXPLAIN.job(model, ExplainKnobs(method="saliency", items=2), 0, found_in="lenet5")
    file = tmp_path / "job.json"
    file.write_text(job.as_json())
    said: list[dict[str, Any]] = []
    perform.run_job(file, said.append)
    assert said[-1] == {"done": True}
    (store,) = stores
    assert (store.computed[STATISTICS], store.found[STATISTICS] > 0) == (0, True)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(statistics()))
def test_every_statistic_has_a_form_on_the_disk(name: str) -> None:
    value = derive(load_sample("lenet5"), "conv2", name, Store())
    assert repr(from_bytes(to_bytes(value))) == repr(value)


# --- code --------------------------------------------------------------------------------------------

OWN_CODE = """
from torch import nn
class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)
    def forward(self, x):
        return {sign}self.fc(x)
"""


def _own(place: Path, sign: str) -> Subject:
    """A network of somebody's own after the file of its class was edited; the weights stay."""
    place.write_text(OWN_CODE.format(sign=sign))
    spec = spec_from_file_location("own_code", place)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["own_code"] = module
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    items = Items(torch.rand(20, 4).numpy(), None)
    return subject_from_network(module.Own(), items, "own", None)


def test_an_edited_forward_is_not_answered_from_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    logits = []
    for sign in ("", "-"):
        subject = _own(tmp_path / "own_code.py", sign)
        store = Store(workspace=Workspace.at(tmp_path / "work"))
        logits.append(predict(Model.original(subject), subject.split(SPLIT), store).logits)
    np.testing.assert_array_equal(logits[0], -logits[1])


def test_code_without_a_file_counts_by_what_it_does() -> None:
    codes = []
    for body in ("return x", "return  x  # the same", "return -x"):
        space: dict[str, Any] = {"nn": torch.nn, "__name__": "__main__"}
        exec(f"class Own(nn.Module):\n    def forward(self, x):\n        {body}", space)
        codes.append(code_of(space["Own"](), []))
    assert codes[0] == codes[1] != codes[2]


def test_networks_of_torch_alone_have_one_code() -> None:
    assert code_of(torch.nn.Linear(2, 3), []) == code_of(torch.nn.Sequential(torch.nn.ReLU()), []) == ""
