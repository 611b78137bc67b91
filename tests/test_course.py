"""Whether the items choose the way of a network: what is the same for all of them does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from compress_core.network.course import Course, watching


class _Asking(nn.Module):
    """Reads a value in its forward."""

    def __init__(self, asked: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.fc, self.asked = nn.Linear(4, 3), asked
        self.register_buffer("level", torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.fc(x) * self.asked(self, x).item()
        return answer


def _watched(asked: Callable[[nn.Module, Tensor], Tensor]) -> Course:
    network, items = _Asking(asked).eval(), torch.ones(2, 4)
    with torch.no_grad(), watching(network) as course:
        network(items)
    return course


def _set_by_items(network: nn.Module, x: Tensor) -> Tensor:
    level = network.get_buffer("level")
    view = level.view(1)
    level.copy_(x.sum())
    return view


def _filled_by_items(_: nn.Module, x: Tensor) -> Tensor:
    level = torch.zeros(4)
    level[1] = x[0, 0]
    return level.sum()


@pytest.mark.parametrize(
    "asked",
    [
        lambda network, _: network.level,
        lambda network, _: network.fc.weight.abs().max(),
        lambda _, x: torch.tensor(x.shape[1]),
        lambda network, _: torch.arange(3.0).sum() * network.level,
    ],
)
def test_parameters_buffers_and_constants_choose_the_same_way_for_all_items(
    asked: Callable[[nn.Module, Tensor], Tensor],
) -> None:
    assert not _watched(asked).depends_on_values


@pytest.mark.parametrize(
    "asked",
    [
        lambda _, x: x.sum(),
        lambda network, x: network.fc(x).max(),
        lambda network, x: network.level * x.detach()[0, 0],
        lambda *_: torch.rand(()),
        _set_by_items,
        _filled_by_items,
    ],
)
def test_what_comes_from_the_items_or_from_chance_chooses_the_way(
    asked: Callable[[nn.Module, Tensor], Tensor],
) -> None:
    assert _watched(asked).depends_on_values


class _Reading(nn.Module):
    """Asks its input, or what its layer makes of it, whether anything is left out."""

    def __init__(self, asked: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.fc, self.asked = nn.Linear(4, 3), asked

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y: Tensor = self.fc(x)
        return y if self.asked(y, mask).all() else y * mask[:, :1]


def _read(asked: Callable[[Tensor, Tensor], Tensor]) -> Course:
    network, items = _Reading(asked).eval(), (torch.ones(2, 4), torch.tensor([[1.0, 0.0]] * 2))
    with torch.no_grad(), watching(network, items) as course:
        network(*items)
    return course


def test_what_is_read_of_the_input_alone_is_a_decision_that_no_weight_makes() -> None:
    course = _read(lambda _, mask: (1 - mask.clone()) == 0)
    assert not course.depends_on_values
    assert len(course.decisions) == 1
    assert course.is_as(_read(lambda _, mask: mask > 0.5))
    assert not course.is_as(_read(lambda _, mask: mask < 2))


@pytest.mark.parametrize(
    "asked",
    [
        lambda y, mask: y.sum() * mask > 0,
        lambda y, mask: mask.add_(y.sum()) > 0,
        lambda y, mask: torch.zeros(2).copy_(y[:, 0]) > mask[0],
    ],
)
def test_a_decision_into_which_a_weight_enters_depends_on_values(
    asked: Callable[[Tensor, Tensor], Tensor],
) -> None:
    assert _read(asked).depends_on_values


def test_the_multiplications_of_a_pass_are_those_of_its_layers() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Flatten(), nn.Linear(48, 5))
    with torch.no_grad(), watching(network) as course:
        network(torch.randn(2, 2, 4, 4))
    assert course.cost() == 2 * (3 * 16 * 18 + 48 * 5)
    assert course.cost("2") == 2 * 48 * 5
