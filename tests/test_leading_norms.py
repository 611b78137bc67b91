"""A batch norm before the first layer of what is nothing but a state dict: right, or said to be a guess."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from compress_core.loading.best_candidate import best_candidate
from compress_core.loading.infer import network_candidates
from tests.test_infer import Named, trained

DOUBT = "order of the names"


def images_are_normed() -> nn.Module:
    return Named(
        ("norm", nn.BatchNorm2d(3)), ("conv", nn.Conv2d(3, 4, 3)), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), ("fc", nn.Linear(36, 3)),
    )  # fmt: skip


def columns_are_normed() -> nn.Module:
    return nn.Sequential(nn.BatchNorm1d(12), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))


def normed_at_both_ends() -> nn.Module:
    return Named(
        ("enter", nn.BatchNorm1d(12)), ("a", nn.Linear(12, 8)), ("inner", nn.BatchNorm1d(8)), nn.ReLU(),
        ("b", nn.Linear(8, 3)),
    )  # fmt: skip


def normed_before_each() -> nn.Module:
    return Named(
        ("n1", nn.BatchNorm1d(12)), ("a", nn.Linear(12, 8)), nn.ReLU(), ("n2", nn.BatchNorm1d(8)),
        ("b", nn.Linear(8, 3)),
    )  # fmt: skip


def as_wide_as_the_first() -> nn.Module:
    return Named(
        ("scale", nn.BatchNorm1d(12)), ("hidden", nn.Linear(12, 12)), nn.ReLU(), ("last", nn.Linear(12, 3))
    )


LEADING: list[tuple[Callable[[], nn.Module], tuple[int, ...]]] = [
    (images_are_normed, (3, 8, 8)),
    (columns_are_normed, (12,)),
    (normed_at_both_ends, (12,)),
    (normed_before_each, (12,)),
    (as_wide_as_the_first, (12,)),
]


def _spread(make: Callable[[], nn.Module]) -> nn.Module:
    """With gains of both signs, so that another place of a norm shows."""
    network = trained(make)
    generator = torch.Generator().manual_seed(5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            with torch.no_grad():
                module.weight.copy_(4 * torch.rand(module.weight.shape, generator=generator) - 2)
    return network.eval()


def _items(shape: tuple[int, ...]) -> Tensor:
    return 3 * torch.randn(200, *shape, generator=torch.Generator().manual_seed(1)) + 2


@pytest.mark.parametrize("is_sorted", [False, True])
@pytest.mark.parametrize(("make", "shape"), LEADING)
@torch.inference_mode()
def test_labeled_items_find_the_place_of_a_norm(
    make: Callable[[], nn.Module], shape: tuple[int, ...], is_sorted: bool
) -> None:
    network, items = _spread(make), _items(shape)
    state = network.state_dict()
    given = {name: state[name] for name in sorted(state)} if is_sorted else state
    found = best_candidate(network_candidates(given, input_shape=shape), items, network(items).argmax(1))
    right = float((found.network(items).argmax(1) == network(items).argmax(1)).double().mean())
    assert right == 1 or DOUBT in found.description
    assert right == 1 or is_sorted


@pytest.mark.parametrize(("make", "shape"), LEADING)
@torch.inference_mode()
def test_without_labels_it_is_the_network_or_the_doubt_is_said(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    network, items = _spread(make), _items(shape)
    found = network_candidates(network.state_dict(), input_shape=shape)[0]
    same = torch.allclose(found.network(items), network(items), atol=1e-5)
    assert same or DOUBT in found.description
    assert "batch norm before" in found.description


def test_one_place_alone_leaves_no_doubt() -> None:
    found = network_candidates(_spread(columns_are_normed).state_dict())
    assert len(found) == 1
    assert DOUBT not in found[0].description


def test_an_order_that_puts_a_layer_first_is_believed() -> None:
    network = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    found = network_candidates(trained(lambda: network).state_dict())
    assert ["before" in one.description for one in found] == [False]
    assert DOUBT not in found[0].description
