"""Layers that hear one pass read what each of them reads alone, to the last bit."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.context import STATISTICS
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.apply.views.weight_view import derive
from compress_core.decide.family import Family
from compress_core.decide.scan import scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.foundation.errors import Refused
from compress_core.foundation.memory_budget import VARIABLE
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.measure.tables.layers_alone import each_layer_alone
from compress_core.measure.tables.output_errors import output_errors
from compress_core.network import calibrate
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.statistics import statistics
from compress_core.subject.subject import Subject
from tests import zoo_subjects
from tests.heard import heard_layers
from tests.subjects import Mlp, loaded_sample, rules, seeded, tiny_subject, with_calibration
from tests.zoo import ZOO

RUNNING = [name for name, derived in statistics().items() if derived.running_sum is not None]
SAMPLES = ("tabular", "lenet300", "lenet5", "resnet", "vit")


def told(subject: Subject, layer: str, name: str, store: Store, among: tuple[str, ...] = ()) -> Tensor | str:
    """A statistic, or the sentence that refuses it."""
    try:
        found = derive(subject, layer, name, store, among)
    except Refused as refused:
        return str(refused)
    assert isinstance(found, Tensor)
    return found


def assert_as_alone(subject: Subject, name: str, store: Store | None = None) -> None:
    """Every layer, asked for among all others, is told what it is told with nobody beside it."""
    names, shared, alone = tuple(subject.by_name), store or Store(), Store()
    for layer in names:
        together, by_itself = told(subject, layer, name, shared, names), told(subject, layer, name, alone)
        if isinstance(by_itself, str):
            assert together == by_itself
        else:
            assert isinstance(together, Tensor)
            assert together.dtype == by_itself.dtype
            assert torch.equal(together, by_itself)
            assert torch.equal(together.signbit(), by_itself.signbit())


def sample(name: str) -> Subject:
    """A sample with so many calibration items that wide layers read them in three batches."""
    subject = loaded_sample(name)
    calibration = subject.split("calibration").first(160)
    return replace(subject, splits={**subject.splits, "calibration": calibration})


def every_subject() -> Iterator[object]:
    yield from (pytest.param(sample, name, id=name) for name in SAMPLES)
    yield from (pytest.param(zoo_subjects.subject_of, name, id=f"zoo {name}") for name in ZOO)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNNING)
@pytest.mark.parametrize(("load", "network"), list(every_subject()))
def test_what_layers_hear_together_is_to_the_bit_what_each_hears_alone(
    load: Callable[[str], Subject], network: str, name: str
) -> None:
    assert_as_alone(load(network), name)


@pytest.mark.parametrize("name", RUNNING)
def test_layers_of_one_pass_are_as_alone(name: str) -> None:
    assert_as_alone(mlp(), name)


def mlp(items: int = 64) -> Subject:
    return with_calibration(tiny_subject(seeded(Mlp()), (6,)), items)


@pytest.mark.slow
def test_all_layers_that_read_equally_many_items_take_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = loaded_sample("vit")
    heard = heard_layers(monkeypatch)
    model = compress(subject, rules(any=Step.of("uniform", bits=4)), Store())
    errors = output_errors(model, Store())
    assert all(error.kind == "measured" for error in errors.values())
    assert heard == [tuple(subject.by_name)]


def test_layers_go_together_by_how_many_items_they_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, heard = mlp(), heard_layers(monkeypatch)
    monkeypatch.setattr(calibrate, "NUMBERS_AT_ONCE", 56)  # 9, 7 and 8 items of 6, 8 and 7 numbers
    assert_as_alone(subject, "hessian")
    assert heard == [("fc1",), ("fc1",), ("fc2",), ("fc2",), ("fc3",), ("fc3",)]
    monkeypatch.setattr(calibrate, "NUMBERS_AT_ONCE", 64 * 8)  # no more items than there are
    heard.clear()
    derive(subject, "fc1", "hessian", Store(), tuple(subject.by_name))
    assert heard == [("fc1", "fc2", "fc3")]


class TwoAttentions(nn.Module):
    """A layer, an attention, another one, and what reads them: [N, 5, 8] -> [N, 3]."""

    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Linear(8, 8)
        self.one = nn.MultiheadAttention(8, 2, batch_first=True)
        self.two = nn.MultiheadAttention(8, 4, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.into(x)
        for attention in (self.one, self.two):
            hidden = hidden + attention(hidden, hidden, hidden)[0]
        return self.out(hidden.mean(1))


def test_an_attention_that_is_taken_apart_for_one_layer_stays_whole_for_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = with_calibration(tiny_subject(seeded(TwoAttentions()), (5, 8)))
    heard, store = heard_layers(monkeypatch), Store()
    for layer in subject.by_name:
        derive(subject, layer, "hessian", store, tuple(subject.by_name))
    projections = ("q_proj", "k_proj", "v_proj", "out_proj")
    expected = [{"into", "out"}, *({f"{of}.{p}" for p in projections} for of in ("one", "two"))]
    assert sorted(map(sorted, heard)) == sorted(map(sorted, expected))
    assert_as_alone(subject, "hessian")


# What is refused --------------------------------------------------------------------------------------------


class Broken(nn.Module):
    """Its second layer reads NaN for empty items and no other does; words are looked up, one never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.words, self.idle = nn.Embedding(4, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        scale = x.sum(1, keepdim=True) / x.sum(1, keepdim=True)
        hidden = self.two(self.one(x).relu() * scale).nan_to_num(0.0, 0.0, 0.0)
        return self.three(hidden + self.words((x[:, 0] > 0).long()))


def broken() -> Subject:
    subject = with_calibration(tiny_subject(seeded(Broken()), (6,)), items=16)
    subject.splits["calibration"].inputs[-4:] = 0
    return subject


@pytest.mark.parametrize("at_once", [2**22, 8 * 4])
def test_a_refused_layer_says_what_it_says_alone_and_takes_nobody_down(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "NUMBERS_AT_ONCE", at_once)
    subject = broken()
    assert_as_alone(subject, "hessian")
    found = {
        layer: told(subject, layer, "hessian", Store(), tuple(subject.by_name)) for layer in subject.by_name
    }
    said = {layer: reason for layer, reason in found.items() if isinstance(reason, str)}
    assert set(said) == {"two", "words", "idle"}
    assert "two reads NaN or infinite values on 4 of 16" in said["two"]
    assert "words looks rows up" in said["words"]
    assert "idle did not run" in said["idle"]


def test_those_beside_a_refused_layer_are_measured_in_the_pass_that_it_is_asked_for_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject, heard, store = broken(), heard_layers(monkeypatch), Store()
    told(subject, "two", "hessian", store, tuple(subject.by_name))
    assert heard == [("two", "three", "idle"), ("two",)]
    heard.clear()
    assert isinstance(told(subject, "three", "hessian", store), Tensor)
    assert heard == []


class OnFew(Mlp):
    """Runs on four items at once, and on no more."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 4:
            raise ValueError("too many")
        return super().forward(x)


def test_a_network_that_raises_is_told_of_layer_by_layer() -> None:
    subject = with_calibration(tiny_subject(seeded(OnFew()), (6,), items=4))
    assert_as_alone(subject, "hessian")
    said = [told(subject, layer, "hessian", Store(), tuple(subject.by_name)) for layer in subject.by_name]
    assert all("raised ValueError on 64 items" in str(one) for one in said)


# What is kept -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fewer", "passes"), [(0, [("0", "1"), ("2",)]), (1, [("0",), ("1",), ("2",)])])
@pytest.mark.parametrize("of", ["store", "memory"])
def test_what_is_measured_ahead_takes_no_more_than_half_of_store_and_memory(
    of: str, fewer: int, passes: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = nn.Sequential(nn.Linear(62, 60), nn.Linear(60, 64), nn.Linear(64, 3))
    subject, heard = with_calibration(tiny_subject(seeded(network), (62,))), heard_layers(monkeypatch)
    room = 2 * (8 * 62**2 + 8 * 60**2 - fewer)
    if of == "memory":
        monkeypatch.setenv(VARIABLE, str(room))
    store = Store(max_bytes=room) if of == "store" else Store()
    for layer in subject.by_name:
        derive(subject, layer, "hessian", store, tuple(subject.by_name))
    assert heard == passes


def test_nothing_that_is_measured_ahead_is_gone_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes take turns: every second of these layers reads more items at a time."""
    network = nn.Sequential(*(nn.Linear(64 + i % 2, 65 - i % 2) for i in range(24)))
    subject, heard = with_calibration(tiny_subject(seeded(network), (64,))), heard_layers(monkeypatch)
    monkeypatch.setattr(calibrate, "NUMBERS_AT_ONCE", 64 * 20)
    names, store = tuple(subject.by_name), Store(max_bytes=10 * 8 * 65**2)
    for layer in names:
        derive(subject, layer, "hessian", store, names)
    measured = [name for names in heard for name in names]
    assert sorted(measured) == sorted(names)
    assert len(heard) < len(names)


def test_what_nobody_asks_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, heard = mlp(), heard_layers(monkeypatch)
    recipe = Recipe((Rule("fc[12]", (Step.of("wanda"),)), Rule("fc3", (Step.of("magnitude"),))))
    compress(subject, recipe, store := Store())
    assert heard == [("fc1", "fc2")]
    compress(subject, Recipe((Rule("*", (Step.of("wanda", sparsity=0.3),)),)), store)
    assert heard == [("fc1", "fc2"), ("fc3",)]


@pytest.mark.parametrize("technique", ["gptq", "sparsegpt"])
def test_a_method_that_goes_layer_by_layer_measures_each_of_them_once(
    technique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = heard_layers(monkeypatch)
    compress(mlp(), rules(any=Step.of(technique)), Store())
    assert heard == [("fc1",), ("fc2",), ("fc3",)]


@pytest.mark.parametrize("technique", ["wanda", "whitened_low_rank"])
def test_a_method_that_asks_the_same_of_all_layers_takes_one_pass(
    technique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = heard_layers(monkeypatch)
    compress(mlp(), rules(any=Step.of(technique)), Store())
    assert heard == [("fc1", "fc2", "fc3")]


def test_layers_behind_a_factored_one_go_together_and_those_before_it_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject, heard, store = mlp(), heard_layers(monkeypatch), Store()
    wanda = Step.of("wanda", sparsity=0.5)
    recipe = rules(fc2=(Step.of("low_rank", rank=2), wanda), any=wanda)
    model = compress(subject, recipe, store)
    assert heard == [("fc1",), ("fc2.0", "fc2.1", "fc3")]
    first, second = (encoded.weight for encoded in model.compressed["fc2"].encoded)
    network, inputs = subject.network, subject.split("calibration").inputs
    hidden = (network.fc1(inputs).relu() @ first.T @ second.T + network.fc2.bias).relu()
    scores = network.fc3.weight.abs() * hidden.norm(dim=0)
    mask = model.compressed["fc3"].encoded[0].mask.tensor
    assert scores[mask].min() >= scores[~mask].max()


def test_groups_that_are_scored_by_what_their_layers_read_take_one_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = heard_layers(monkeypatch)
    compress(mlp(), Recipe((), (Rule("*", (Step.of_group("wanda"),)),)), Store())
    assert heard == [("fc1", "fc2", "fc3")]


@pytest.mark.parametrize(
    ("technique", "passes"), [("uniform", 1), ("gptq", 2), ("sparsegpt", 2), ("wanda", 2)]
)
def test_each_layer_alone_takes_a_pass_for_a_statistic_and_not_for_a_layer(
    technique: str, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, store = heard_layers(monkeypatch), Store()
    rows = list(each_layer_alone(mlp(), ["fc1", "fc2", "fc3"], Step.of(technique), store))
    assert heard == [("fc1", "fc2", "fc3")] * passes
    assert [row.output_error.kind for row in rows] == ["measured"] * 3


def test_a_scan_takes_a_pass_for_a_statistic_and_not_for_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, heard, store = mlp(), heard_layers(monkeypatch), Store()
    plan = ScanPlan(families=(Family.PRUNE, Family.BITS), points=2, prune="wanda", bits="gptq")
    list(scan(Model.original(subject), plan, store))
    assert heard == [("fc1", "fc2", "fc3")] * 2


def test_what_is_found_in_the_workspace_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, heard = mlp(), heard_layers(monkeypatch)
    names = tuple(subject.by_name)
    first = Store(workspace=Workspace.at(tmp_path), clock=slow())
    for layer in names[:2]:
        derive(subject, layer, "hessian", first, names[:2])
    assert heard == [names[:2]]
    assert first.computed[STATISTICS] == 2
    second = Store(workspace=Workspace.at(tmp_path), clock=slow())
    for layer in names:
        assert torch.equal(
            derive(subject, layer, "hessian", second, names), derive(subject, layer, "hessian", Store())
        )
    assert heard[1:] == [("fc1",), ("fc2",), ("fc3",), ("fc3",)]
    assert (second.computed[STATISTICS], second.found[STATISTICS]) == (1, 2)


def slow() -> Callable[[], float]:
    """A clock by which everything takes a second."""
    times = itertools.count()
    return lambda: float(next(times))


# Many threads -----------------------------------------------------------------------------------------------


def test_eight_threads_that_ask_for_the_same_layers_measure_each_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject, heard, store = mlp(), heard_layers(monkeypatch), Store()
    names = tuple(subject.by_name)
    alone = {layer: derive(subject, layer, "hessian", Store()) for layer in names}
    heard.clear()
    together = threading.Barrier(8)

    def ask(thread: int) -> list[Tensor]:
        together.wait()
        order = names[thread % 3 :] + names[: thread % 3]
        return [derive(subject, layer, "hessian", store, order) for layer in sorted(order)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert all(
        torch.equal(found, alone[name]) for each in answers for name, found in zip(names, each, strict=True)
    )
    assert sorted(name for names in heard for name in names) == sorted(names)
