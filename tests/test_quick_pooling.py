"""Max pooling in evaluations: the values of torch, without its search for indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from compress_core.apply.model import Model
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.measure.behavior.evaluate import recording_of
from compress_core.measure.behavior.replay import replay
from compress_core.network.calibrate import LayerReads, inputs_of
from compress_core.network.channels import channels_read
from compress_core.network.quick_pooling import pooled_quickly
from compress_core.network.shared_copy import shared_copy
from compress_core.network.shared_pass import SharedPass
from compress_core.subject.subject import Subject
from compress_core.training.objective import answers_of_all
from compress_core.training.objective_of_kind import objective_of

IMAGES = torch.randn(2, 3, 9, 10, generator=torch.Generator().manual_seed(4))


class Pools(TorchDispatchMode):
    """How many items went through torch's own pooling at once, for each time."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(func).startswith("aten.max_pool2d"):
            self.items.append(len(args[0]))
        return func(*args, **(kwargs or {}))


def quick(run: Callable[[], Any]) -> tuple[Any, bool]:
    """What comes out within, and whether torch looked for indices."""
    with pooled_quickly(), Pools() as pools:
        found = run()
    return found, bool(pools.items)


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    step=st.none() | st.tuples(st.integers(1, 4), st.integers(1, 4)),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 2**16),
)
def test_values_and_layout_are_those_of_torch_with_nan_and_infinity_and_equal_values(
    shape: tuple[int, ...], kernel: tuple[int, int], step: Any, dtype: torch.dtype, seed: int
) -> None:
    kernel = min(kernel[0], shape[2]), min(kernel[1], shape[3])
    drawn = torch.randint(-3, 6, shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
    for value, odd in ((3, torch.nan), (4, torch.inf), (5, -torch.inf)):
        drawn[drawn == value] = odd
    with torch.inference_mode():
        wanted = functional.max_pool2d(drawn, kernel, step)
        found, noted = quick(lambda: functional.max_pool2d(drawn, kernel, step))
    torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)
    assert found.stride() == wanted.stride()
    lies_in_two_orders = drawn.is_contiguous(memory_format=torch.channels_last)
    assert noted == (min(kernel) == 1 or lies_in_two_orders)


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, stride=2),
        nn.MaxPool2d((2, 3)),
        lambda images: functional.max_pool2d(images, kernel_size=[2], stride=(1,)),
        lambda images: torch.max_pool2d(images, 2, 1),
        lambda images: torch.max_pool2d(images[0], (2, 2)),
    ],
)
def test_every_way_to_call_it_is_quick(pool: Callable[[Tensor], Tensor]) -> None:
    with torch.inference_mode():
        found, noted = quick(lambda: pool(IMAGES))
        assert torch.equal(found, pool(IMAGES))
    assert not noted


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(3, 2, padding=1),
        nn.MaxPool2d(2, dilation=2),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.MaxPool2d(2, return_indices=True),
        lambda images: torch.max_pool2d(images.to(memory_format=torch.channels_last), 2),
        lambda images: torch.max_pool2d(images.bfloat16(), 2),
        lambda images: torch.max_pool2d(images.transpose(2, 3), 2),
        lambda images: torch.max_pool2d(images[:, :1].to(memory_format=torch.channels_last), 2),
        lambda images: torch.max_pool2d(x=images, kernel_size=2),
    ],
)
def test_what_is_not_plain_is_left_to_torch(pool: Callable[[Tensor], Any]) -> None:
    with torch.inference_mode():
        found, noted = quick(lambda: pool(IMAGES))
        wanted = pool(IMAGES)
    assert noted
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    assert found[0].stride() == wanted[0].stride()


def test_gradients_are_those_of_torch() -> None:
    given_images = IMAGES.clone().requires_grad_()
    (_, noted) = quick(lambda: functional.max_pool2d(given_images, 2).sum().backward())
    assert noted
    assert given_images.grad is not None
    assert given_images.grad.sum() == 2 * 3 * 4 * 5


WRONG: list[tuple[Any, ...]] = [
    (12, None),
    (0, None),
    (2, 0),
    (2.5, None),
    ((1, 2, 3), None),
    (2, np.array([2, 2])),
    (2, 2, 0, 1, torch.tensor(False)),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_call_raises_what_torch_raises(wrong: tuple[Any, ...]) -> None:
    with torch.inference_mode(), pytest.raises(Exception) as wanted:  # noqa: PT011 - whatever torch raises
        torch.max_pool2d(IMAGES, *wrong)
    with torch.inference_mode(), pooled_quickly(), pytest.raises(wanted.type) as found:
        torch.max_pool2d(IMAGES, *wrong)
    assert str(found.value) == str(wanted.value)


@pytest.mark.parametrize("name", ["lenet5", "resnet"])
def test_an_evaluation_notes_no_index_and_answers_as_the_network_does(name: str) -> None:
    subject = load_sample(name)
    split, store = subject.split("validation").first(30), Store()
    with Pools() as pools:
        recording = recording_of(subject, split, store)
        answers = replay(Model.original(subject).network(), recording, None)
    assert max(pools.items, default=0) <= 2, "but for the few items that plan a recording"
    with torch.inference_mode():
        assert torch.equal(answers[0], shared_copy(subject.network)(split.inputs))
    assert torch.equal(recording.outputs[0], answers[0])


def _read_by_one_layer(subject: Subject, items: Tensor) -> None:
    list(inputs_of(shared_copy(subject.network), subject.layer("fc1"), items))


def _read_by_all_layers(subject: Subject, items: Tensor) -> None:
    channels_read(shared_copy(subject.network), list(subject.by_name), items)


def _summed_up_for_all_layers(subject: Subject, items: Tensor) -> None:
    layer, *others = subject.layers
    reads = LayerReads(shared_copy(subject.network), layer, items)
    SharedPass.of(reads, others).hear({})


def _told_to_a_student(subject: Subject, items: Tensor) -> None:
    answers_of_all(shared_copy(subject.network), items, objective_of(subject.answers), len(items))


@pytest.mark.parametrize(
    "run", [_read_by_one_layer, _read_by_all_layers, _summed_up_for_all_layers, _told_to_a_student]
)
def test_a_pass_of_items_that_learns_nothing_notes_no_index(run: Callable[[Subject, Tensor], None]) -> None:
    subject = load_sample("lenet5")
    with Pools() as pools:
        run(subject, subject.split("validation").inputs[:30])
    assert max(pools.items, default=0) <= 2, "but for the one item that tells how much memory a pass takes"
