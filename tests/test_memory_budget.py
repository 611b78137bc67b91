"""No pass takes more than the memory budget without saying so, and what nobody reads is let go."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from compress_core.apply.arguments.gradients import loss_of
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.memory_budget import DEFAULT, VARIABLE, as_size, memory_budget
from compress_core.foundation.store import Store
from compress_core.loading.items import Items
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.behavior.evaluate import predict, recording_of
from compress_core.measure.behavior.replay import record
from compress_core.measure.explain.asked_answer import predicted_class
from compress_core.measure.explain.attribution import attribute, method_named
from compress_core.network.calibrate import inputs_of
from compress_core.network.channels import channels_read
from compress_core.network.living_memory import living_memory, own_buffers
from compress_core.network.shared_copy import shared_copy
from compress_core.network.squared_gradients import fisher_diagonals
from compress_core.recipe.reading import read_recipe
from compress_core.subject.subject import Subject
from tests.subjects import seeded

KB = 2**10


class Deep(nn.Module):
    """Twelve convolutions of one width, then a head: nothing of it is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(*[nn.Conv2d(2, 2, 1) for _ in range(12)])
        self.head = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3)))


class InPlaceDeep(Deep):
    """The same with activations in place, so that what a call returned is written over later."""

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.body:
            x = F.relu_(layer(x))
        return self.head(x.mean((2, 3)))


class Held(Deep):
    """Every output is read again at the end, as in a dense network."""

    def forward(self, x: Tensor) -> Tensor:
        held = [x := layer(x) for layer in self.body]
        return self.head(torch.stack(held).sum(0).mean((2, 3)))


class Largest(TorchDispatchMode):
    """The largest batch that any operation gave back."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(
        self, func: object, types: object, args: object = (), kwargs: object = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.dim() == 4:
            self.rows = max(self.rows, len(result))
        return result


def subject_of(network: nn.Module, count: int = 40) -> Subject:
    items = np.random.default_rng(0).standard_normal((count, 2, 16, 16)).astype(np.float32)
    return subject_from_network(seeded(network), Items(items, None), "deep")


def largest_batch(work: Callable[[], object]) -> int:
    with Largest() as seen:
        work()
    return seen.rows


@pytest.mark.parametrize(
    ("said", "size"),
    [("", 2**30), ("2GB", 2**31), ("1.5 g", 3 * 2**29), ("512MiB", 2**29), ("800 kb", 800 * KB), ("7", 7)],
)
def test_the_budget_is_what_the_variable_says(said: str, size: int) -> None:
    assert memory_budget({VARIABLE: said}) == size


@pytest.mark.parametrize("said", ["0", "-1GB", "much", "1e9", "nan"])
def test_a_budget_that_is_no_size_is_refused(said: str) -> None:
    with pytest.raises(Refused, match="must be a size such as 2GB"):
        memory_budget({VARIABLE: said})


def test_sizes_are_shown_in_the_largest_unit_that_fits() -> None:
    assert [as_size(n) for n in (12, 1536, 5 * 2**20, 50 * 2**30)] == ["12 B", "1.5 KB", "5 MB", "50 GB"]


@pytest.mark.parametrize("make", [Deep, InPlaceDeep, Held])
def test_answers_within_a_small_budget_are_those_of_batches_of_that_size(
    make: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of(make())
    split = subject.split("validation")
    each = 2 * living_memory(shared_copy(subject.network), split.inputs[:1]).peak
    monkeypatch.setenv(VARIABLE, str(4 * each * 7 // 3 + 3))
    recording = recording_of(subject, split, Store())
    assert {len(batch) for batch in recording.batches[:-1]} == {7}
    with torch.no_grad():
        expected = torch.cat([subject.network(batch) for batch in split.inputs.split(7)])
    found = predict(Model.original(subject), split, Store()).logits
    assert torch.equal(torch.from_numpy(found.copy()), expected)


@pytest.mark.parametrize("make", [Deep, InPlaceDeep, Held])
def test_one_item_that_does_not_fit_is_refused_with_need_and_budget(
    make: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of(make())
    monkeypatch.setenv(VARIABLE, "4KB")
    with pytest.raises(
        Refused, match=r"One item needs .* KB .* memory budget is 3 KB: raise SLIMSCOPE_MEMORY"
    ):
        predict(Model.original(subject), subject.split("validation"), Store())


def test_the_samples_of_a_split_go_100_at_a_time_by_default() -> None:
    subject = subject_of(Deep(), 500)
    assert memory_budget({}) == DEFAULT
    assert [len(b) for b in recording_of(subject, subject.split("validation"), Store()).batches] == [
        100
    ] * 4 + [50]


@pytest.mark.parametrize("make", [Deep, InPlaceDeep])
def test_a_recording_lets_go_of_what_nobody_reads_later(make: Callable[[], nn.Module]) -> None:
    network, alive, most = seeded(make()), [], 0

    def count(_module: nn.Module, _given: object, output: Tensor) -> None:
        nonlocal most
        alive.append(weakref.ref(output.untyped_storage()))
        most = max(most, sum(memory() is not None for memory in alive))

    for layer in network.body:
        layer.register_forward_hook(count)
    gc.disable()
    try:
        record(network, [torch.randn(4, 2, 8, 8)], ["head.weight"], 2**20)
    finally:
        gc.enable()
    assert most <= 3


@pytest.mark.parametrize("passes", [2, 5])
def test_what_a_recording_keeps_is_bounded_by_its_bytes(passes: int) -> None:
    network, items = seeded(Deep()), torch.randn(6, 2, 8, 8)
    names = [name for name, _ in network.named_parameters() if name.endswith("weight")]
    recording = record(network, items.split(3), names, passes * items.nbytes)
    assert 0 < recording.kept_bytes <= passes * items.nbytes
    assert recording.cut_for(["head.weight"]) == recording.cuts[-1]


def test_calibration_explanation_and_reading_keep_to_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = subject_of(Deep())
    items = subject.split("validation").inputs
    living = living_memory(shared_copy(subject.network), items[:1])
    monkeypatch.setenv(VARIABLE, str(6 * living.peak))
    layer, targets = subject.layer("body.3"), torch.zeros(len(items), dtype=torch.long)
    small = {
        "calibration": lambda: list(inputs_of(shared_copy(subject.network), layer, items)),
        "reading": lambda: channels_read(shared_copy(subject.network), ["body.3"], items),
        "classes": lambda: predicted_class(subject.network, items),
    }
    assert all(2 <= largest_batch(work) <= 3 for work in small.values())  # what is explained copies its input
    monkeypatch.setenv(VARIABLE, str(5 * (living.made + living.peak)))
    saliency = method_named("saliency")
    assert (
        4 <= largest_batch(lambda: attribute(subject.network, items, targets, saliency, items[:1] * 0)) <= 5
    )


def test_a_gradient_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = subject_of(Deep())
    monkeypatch.setenv(VARIABLE, "8KB")
    with pytest.raises(Refused, match="One item needs"):
        fisher_diagonals(
            shared_copy(subject.network),
            subject.layers,
            subject.split("validation").inputs,
            None,
            loss_of(subject.answers),
        )


@pytest.mark.parametrize(
    "recipe",
    ["correct: [bias_correction]", "layers: [{match: head, inputs: [{technique: static_range, bits: 8}]}]"],
)
def test_a_step_that_needs_all_items_in_one_pass_says_so(
    recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of(Deep(), 300)
    said = "layers: [{match: 'body.0', steps: [{technique: uniform, bits: 4}]}]\n"
    text = recipe if recipe.startswith("layers") else said + recipe
    monkeypatch.setenv(VARIABLE, "64KB")
    with pytest.raises(Refused, match="items must go through the network in one pass here"):
        compress(subject, read_recipe(text), Store()).network()


class Counts(nn.Module):
    """Remembers how often it ran, in a buffer that is written and one that is replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ran", torch.zeros(()))
        self.register_buffer("last", None)

    def forward(self, x: Tensor) -> Tensor:
        self.ran += 1
        self.last = x.detach()
        return x * self.ran


def test_a_look_at_memory_leaves_buffers_as_they_were() -> None:
    network = Counts()
    assert living_memory(network, torch.ones(1, 2)).peak == 16
    with own_buffers(network):
        network(torch.ones(1, 2))
    assert (network.ran.item(), network.last) == (0, None)
