"""A network may write to what it is given: items, baseline and every number stay as if it did not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.deliver.export_format import export_format_named
from compress_core.deliver.onnx_session import predictions_in_torch
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.loading.items import Items
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.behavior.evaluate import predict
from compress_core.measure.explain.attribution import attribute, attribution_methods
from compress_core.network.input_guard import run_changes
from compress_core.recipe.reading import read_recipe
from compress_core.subject.subject import Subject
from tests.subjects import seeded

ITEMS = np.random.default_rng(5).normal(size=(300, 6)).astype(np.float32)
ITEMS[:2] += 1
RECIPE = "layers: [{match: '%s', steps: [{technique: uniform, bits: 3}]}]"


class Writing(nn.Module):
    """Two layers behind a function that may write to what it is given; before and after are told apart."""

    def __init__(self, write: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.write = write
        self.fc1, self.fc2 = nn.Linear(6, 8), nn.Linear(8, 3)
        seeded(self)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.fc2(F.relu(self.fc1(self.write(x))))
        return answer


def scaled(x: Tensor) -> Tensor:
    return x.mul_(1.2).add_(0.4)


def centered(x: Tensor) -> Tensor:
    x -= x.mean(dim=1, keepdim=True)
    return x


def through_a_view(x: Tensor) -> Tensor:
    x.view(-1, 2, 3)[:, 0] *= 3
    return x


def turned_in_place(x: Tensor) -> Tensor:
    return x.transpose_(0, 1).transpose(0, 1).clone()


def past_the_counter(x: Tensor) -> Tensor:
    x.data.clamp_(min=-0.5)
    return x


def where_it_is_large(x: Tensor) -> Tensor:
    """Nothing of it shows on an input without content."""
    if bool((x > 2.5).any()):
        x[x > 2.5] = 2.5
    return x


def first_relu(x: Tensor) -> Tensor:
    return F.relu(x, inplace=True)


WRITES = {
    f.__name__: f
    for f in (
        scaled,
        centered,
        through_a_view,
        turned_in_place,
        past_the_counter,
        where_it_is_large,
        first_relu,
    )
}


def same_without_writing(write: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: write(x.clone())


def loaded(network: nn.Module) -> Subject:
    return subject_from_network(network, Items(ITEMS.copy(), None), "mine")


@pytest.fixture(params=WRITES.values(), ids=WRITES)
def write(request: pytest.FixtureRequest) -> Callable[[Tensor], Tensor]:
    found: Callable[[Tensor], Tensor] = request.param
    return found


@pytest.mark.parametrize("match", ["*", "fc1", "fc2"])
def test_every_answer_is_that_of_a_network_that_does_not_write(
    write: Callable[[Tensor], Tensor], match: str
) -> None:
    subject, store = loaded(Writing(write)), Store()
    split = subject.split("validation")
    before = {name: part.inputs.clone() for name, part in subject.splits.items()}
    changed = compress(subject, read_recipe(RECIPE % match), store)
    for model in (Model.original(subject), changed, Model.original(subject)):
        clean = model.network()
        clean._forward_pre_hooks.clear()
        with torch.inference_mode():
            want = torch.cat([clean(batch.clone()) for batch in split.batches()])
        assert np.array_equal(predict(model, split, store).logits, want.numpy())
    assert all(torch.equal(part.inputs, before[name]) for name, part in subject.splits.items())
    assert not subject.input.baseline.any()


@pytest.mark.parametrize("step", ["wanda, sparsity: 0.5", "gptq, bits: 3", "taylor, sparsity: 0.5"])
def test_techniques_measure_on_items_that_stay(write: Callable[[Tensor], Tensor], step: str) -> None:
    text = "layers: [{match: '*', steps: [{technique: " + step + "}]}]"
    kept = []
    for network in (Writing(write), Writing(same_without_writing(write))):
        subject = loaded(network)
        before = subject.split("calibration").inputs.clone()
        model = compress(subject, read_recipe(text), Store())
        assert torch.equal(subject.split("calibration").inputs, before)
        kept.append([model.values(name) for name in ("fc1", "fc2")])
    for one, other in zip(*kept, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("method", [name for name in attribution_methods() if "cam" not in name])
def test_every_method_explains_it_as_a_network_that_does_not_write(
    write: Callable[[Tensor], Tensor], method: str
) -> None:
    maps = []
    for network in (Writing(write), Writing(same_without_writing(write))):
        subject = loaded(network)
        inputs, targets = subject.split("validation").inputs[:3], torch.tensor([0, 1, 2])
        before = inputs.clone()
        found = attribution_methods()[method]
        maps.append(attribute(subject.network, inputs, targets, found, subject.input.baseline))
        assert torch.equal(inputs, before)
        assert not subject.input.baseline.any()
    assert torch.equal(*maps)


def test_a_network_that_writes_is_known_and_an_ordinary_one_left_alone(
    write: Callable[[Tensor], Tensor],
) -> None:
    x = torch.from_numpy(ITEMS)
    assert run_changes(Writing(write), [x[:0], x]).inputs
    assert not run_changes(Writing(same_without_writing(write)), [x[:0], x]).inputs


def test_whole_numbers_stay_too() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.fc = nn.Embedding(9, 4), nn.Linear(4, 3)
            seeded(self)

        def forward(self, ids: Tensor) -> Tensor:
            answer: Tensor = self.fc(self.table(ids.add_(1).clamp_(max=8).long()).mean(1))
            return answer

    ids = np.random.default_rng(1).integers(0, 8, size=(40, 5))
    subject, store = subject_from_network(Words(), Items(ids, None), "words"), Store()
    split = subject.split("validation")
    once = predict(Model.original(subject), split, store).logits
    assert np.array_equal(split.inputs.numpy(), ids)
    assert np.array_equal(predict(Model.original(subject), split, Store()).logits, once)


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["source", "onnx"])
def test_what_is_written_for_others_answers_the_same_items_or_is_refused(
    write: Callable[[Tensor], Tensor], format_: str
) -> None:
    subject, store = loaded(Writing(write)), Store()
    split = subject.split("validation")
    model = compress(subject, read_recipe(RECIPE % "*"), store)
    want, before = predict(model, split, store).logits, split.inputs.clone()
    try:
        answers = export_format_named(format_).write(model).answers(split)
    except Refused:
        assert write in {where_it_is_large, past_the_counter, turned_in_place}, "no exporter follows it"
    else:
        assert np.allclose(answers.logits, want, atol=1e-5)
        assert np.allclose(predictions_in_torch(model.network(), split, "again").logits, want, atol=1e-6)
    assert torch.equal(split.inputs, before)


def test_the_network_that_is_handed_out_leaves_what_it_is_given(write: Callable[[Tensor], Tensor]) -> None:
    network = Model.original(loaded(Writing(write))).network()
    given = torch.from_numpy(ITEMS[:4].copy())
    with torch.no_grad():
        network(given)
    assert np.array_equal(given.numpy(), ITEMS[:4]) or write is where_it_is_large
