"""Whom a student learns from: hidden layers beside answers, and a teacher that somebody names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.lineage import Train, lineage_text, read_lineage
from compress_core.apply.model import Model
from compress_core.apply.run import model_of
from compress_core.face.train_compressed import train
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.training.methods.distill import features_apart
from compress_core.training.training_run import TrainingRun, operation_of
from tests.test_cli_train import refused, said
from tests.test_training import after, assert_equal, own_subject
from tests.training_cases import compressed, run_of

FEATURES = {"method": "distill", "feature_weight": 4.0}
SHORT: dict[str, Any] = {"epochs": 1, "batch_size": 32, "learning_rate": 0.01}


class Hidden(nn.Module):
    """Two hidden layers of a width, one of which may run twice."""

    def __init__(self, width: int, *, twice: bool = False) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(4, width), nn.Linear(width, width), nn.Linear(width, 3)
        self.twice = twice

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x).relu()).relu()
        return self.head(self.second(x).relu() if self.twice else x)


def hidden(width: int, seed: int = 3, *, twice: bool = False) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Model.original(own_subject(Hidden(width, twice=twice), (4,)))


def taught(student: Model, teacher: Model | None, **plan: Any) -> TrainingRun:
    return replace(run_of(student, **{**SHORT, **plan}), teacher=teacher)


def learned(run: TrainingRun) -> Any:
    from compress_core.foundation.progress import result_of
    from compress_core.training.loop import train as loop

    return result_of(loop(run, Store()))


def test_features_cost_the_mean_of_squared_differences_of_each_layer_alike() -> None:
    pairs = ((torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0]])), (torch.zeros(1, 4), torch.ones(1, 4)))
    assert features_apart(pairs, weight=3).item() == pytest.approx(3 * (2.0 + 1.0) / 2)


@pytest.mark.parametrize("layers", ["last_hidden", "first, second"])
def test_hidden_layers_come_nearer_to_those_of_the_teacher(layers: str) -> None:
    student, teacher = hidden(6), hidden(6, seed=8)
    inputs = student.subject.split("validation").inputs
    goal, apart = _second(teacher.network(), inputs), []
    for weight in (0.0, 50.0):
        methods = [{**FEATURES, "feature_weight": weight, "feature_layers": layers}]
        found = learned(taught(student, teacher, batch_size=4, learning_rate=0.03, methods=methods))
        apart.append(float((_second(after(student, found).network(), inputs) - goal).square().mean()))
    assert apart[1] < 0.7 * apart[0]


@torch.no_grad()
def _second(network: nn.Module, inputs: Tensor) -> Tensor:
    made: Tensor = network.get_submodule("second")(network.get_submodule("first")(inputs).relu())
    return made


def test_the_last_layer_but_one_is_told_by_the_pass_and_a_layer_that_runs_twice_is_matched_twice() -> None:
    student, teacher = hidden(6, twice=True), hidden(6, seed=8, twice=True)
    named, last = (
        learned(taught(student, teacher, methods=[{**FEATURES, "feature_layers": layers}]))
        for layers in ("second", "last_hidden")
    )
    assert_equal(named.weights, last.weights)
    with pytest.raises(Refused, match=r"second gives outputs of shape \[\[6\], \[6\]\] for an item"):
        learned(taught(student, hidden(6), methods=[FEATURES]))


def test_without_weight_hidden_layers_are_not_looked_at_and_change_no_key() -> None:
    plain = run_of(compressed(), **SHORT, methods=["distill"])
    off = run_of(compressed(), **SHORT, methods=[{"method": "distill", "feature_weight": 0}])
    assert plain.operation.key == off.operation.key
    assert plain.plan.steps[0].hooks.features is None
    assert_equal(learned(plain).weights, learned(off).weights)


@pytest.mark.parametrize(
    ("layers", "width", "reason"),
    [
        (
            "last_hidden",
            5,
            r"second gives outputs of shape \[\[6\]\] for an item, and second of the teacher \[\[5\]\]",
        ),
        (
            "third",
            6,
            "own has no layer 'third' whose outputs could be matched; its layers are first, second, head",
        ),
        ("first,,second", 6, "has no layer ''"),
    ],
)
def test_hidden_layers_that_cannot_be_matched_are_refused_by_name(
    layers: str, width: int, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        learned(taught(hidden(6), hidden(width), methods=[{**FEATURES, "feature_layers": layers}]))


def test_a_projection_of_attention_gives_nothing_to_match() -> None:
    class Looking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.looks, self.head = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.looks(x, x, x, need_weights=False)[0].mean(1))

    model = Model.original(own_subject(Looking(), (2, 4)))
    with pytest.raises(Refused, match=r"What looks\.out_proj gives is not seen on its way"):
        learned(taught(model, None, methods=[{**FEATURES, "feature_layers": "looks.out_proj"}]))


def test_another_teacher_is_another_training_and_its_answers_are_learned() -> None:
    student, teacher = hidden(3), hidden(12, seed=8)
    runs = [taught(student, one, methods=[{"method": "distill", "share": 1.0}]) for one in (None, teacher)]
    assert len({run.operation.key for run in runs}) == 2
    assert (
        runs[0].operation.key
        == taught(student, Model.original(student.subject))
        .__class__(student, runs[0].plan, runs[0].items, runs[0].validation, Model.original(student.subject))
        .operation.key
    )
    found = [learned(run) for run in runs]
    assert not torch.equal(
        found[0].weights.layers["head"][0].values, found[1].weights.layers["head"][0].values
    )


def test_a_lineage_says_who_the_teacher_was_and_old_ones_are_read_as_before() -> None:
    operation = run_of(hidden(3), **SHORT).operation
    other = replace(operation, teacher="a" * 64)
    for one in (operation, other):
        assert read_lineage(json.loads(lineage_text((one,)))) == (one,)
    assert "teacher" not in operation.as_json()
    with pytest.raises(Refused, match="damaged"):
        read_lineage([{**other.as_json(), "teacher": 3}])


def test_from_python_a_model_or_the_name_of_a_sample_teaches() -> None:
    store = Store()
    teacher = compressed({"technique": "uniform", "bits": 8})
    plan: dict[str, Any] = {**SHORT, "store": store}
    found = train(compressed(), "distill", teacher=teacher, **plan)
    (last,) = [done for done in found.model.lineage if isinstance(done, Train)]
    assert last.teacher == teacher.key
    assert model_of(found.model.subject, found.model.lineage, store).key == found.model.key
    loaded = train(compressed(), "distill", teacher="tabular", **plan).model.operation
    assert isinstance(loaded, Train)
    assert loaded == operation_of(compressed(), run_of(compressed(), **SHORT, methods=["distill"]).plan, 1)


def test_a_teacher_that_takes_other_items_or_is_not_asked_is_refused() -> None:
    student = hidden(3)
    narrow = Model.original(own_subject(nn.Sequential(nn.Linear(2, 3)), (2,)))
    with pytest.raises(Refused, match=r"own is given items of shape \[2\], and own of shape \[4\]"):
        learned(taught(student, narrow, methods=["distill"]))
    scaled = replace(student.subject, input=replace(student.subject.input, mean=(0.5,)))
    with pytest.raises(Refused, match="or they are prepared otherwise"):
        learned(taught(student, Model.original(scaled), methods=["distill"]))
    renamed = Model.original(replace(student.subject, classes=("a", "b", "d")))
    with pytest.raises(Refused, match="which must be the same ones in the same order"):
        learned(taught(student, renamed, methods=["distill"]))
    with pytest.raises(Refused, match="No method of this training asks a teacher"):
        learned(taught(student, hidden(6)))


def test_the_command_learns_from_a_teacher_and_goes_on_with_it(tmp_path: Path) -> None:
    own = "tests.test_teachers:another_table"
    small = ("tabular", "--step", "*: magnitude sparsity=0.5", "--epochs", "2", "--method", "distill")
    plain, found = (said("train", *small, *more) for more in ((), ("--teacher", own, "--out", str(tmp_path))))
    assert plain["lineage"] != found["lineage"]
    assert found["lineage"][-1]["teacher"]
    told = said("evaluate", "tabular", "--trained", str(tmp_path))
    assert told["accuracy"] == found["accuracy"]
    assert said("train", "--resume", str(tmp_path))["lineage"] == found["lineage"]
    assert "leave everything else out" in refused("train", "--resume", str(tmp_path), "--teacher", own)
    assert "No method of this training asks" in refused("train", "tabular", "--epochs", "1", "--teacher", own)


def another_table() -> nn.Module:
    """A wider network for the same table."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return nn.Sequential(nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 2))
