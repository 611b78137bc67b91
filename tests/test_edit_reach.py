"""An edit of a layer is seen in every answer, or the layer is locked with the reason."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply.base import groups_of
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.loading.items import Items
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.behavior.evaluate import predict
from compress_core.network.edit_reach import (
    KEPT_ASIDE,
    KEPT_FROM_BEFORE,
    NOT_USED,
    READ_ELSEWHERE,
    THROWN_AWAY,
    out_of_reach,
)
from compress_core.network.forward import tensors_in
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.places import write_matrix
from compress_core.network.shared_copy import digest_of
from compress_core.recipe.reading import read_recipe
from tests.subjects import Mlp, seeded
from tests.zoo import ZOO

X = torch.randn(20, 6, generator=torch.Generator().manual_seed(2))
BEYOND: dict[str, nn.Module] = {}


class Two(nn.Module):
    """fc1 in a way that a test chooses, fc2 as usual."""

    def __init__(self, build: Callable[[Any], Callable[[Tensor], Tensor]]) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(6, 5), nn.Linear(5, 3)
        seeded(self)
        self.way = build(self)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.fc2(F.relu(self.way(x)))
        return answer


def as_usual(net: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: net.fc1(2 * x)


def clone_aside(net: Any) -> Callable[[Tensor], Tensor]:
    net.kept = net.fc1.weight.detach().clone()
    return lambda x: x @ net.kept.t()


def list_aside(net: Any) -> Callable[[Tensor], Tensor]:
    rows = net.fc1.weight.tolist()
    return lambda x: x @ torch.tensor(rows).t() + net.fc1.bias


def transposed_aside(net: Any) -> Callable[[Tensor], Tensor]:
    net.kept = net.fc1.weight.detach().t().contiguous()
    return lambda x: x @ net.kept


def view_aside(net: Any) -> Callable[[Tensor], Tensor]:
    net.kept = {"turned": [net.fc1.weight.detach().t()]}
    return lambda x: x @ net.kept["turned"][0]


def buffer_aside(net: Any) -> Callable[[Tensor], Tensor]:
    net.register_buffer("kept", net.fc1.weight.detach())
    return lambda x: F.linear(x, net.kept)


def view_beside_the_layer(net: Any) -> Callable[[Tensor], Tensor]:
    net.kept = net.fc1.weight.detach()
    return lambda x: net.fc1(x) + x @ net.kept.t()


def parameter_in_a_list(net: Any) -> Callable[[Tensor], Tensor]:
    net.held = [net.fc1.weight]
    return lambda x: F.linear(x, net.held[0])


def module_beyond(net: Any) -> Callable[[Tensor], Tensor]:
    BEYOND["fc1"] = net.fc1
    return lambda x: BEYOND["fc1"](2 * x)


def behind_a_cache(net: Any) -> Callable[[Tensor], Tensor]:
    found = functools.lru_cache(lambda: net.fc1)
    return lambda x: found()(2 * x)


def computed_once(net: Any) -> Callable[[Tensor], Tensor]:
    def way(x: Tensor) -> Tensor:
        if not hasattr(net, "doubled"):
            net.doubled = 2 * net.fc1.weight
        return F.linear(x, net.doubled)

    return way


def unused(_net: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: x[:, :5]


def thrown_away(net: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: x[:, :5] + 0 * net.fc1(x)


def without_gradient(net: Any) -> Callable[[Tensor], Tensor]:
    return torch.no_grad()(lambda x: net.fc1(x).detach())


def rounded(net: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: (4 * net.fc1(x)).round() / 4


def a_gate(net: Any) -> Callable[[Tensor], Tensor]:
    """One score decides; no item is near to the border, and no gradient passes."""
    net.fc1.bias.data[0] = 40.0
    return lambda x: torch.where(net.fc1(x)[:, :1] > 0, x[:, :5], -x[:, :5])


def for_few_items(net: Any) -> Callable[[Tensor], Tensor]:
    def way(x: Tensor) -> Tensor:
        far = x[:, :1] > X[:, 0].max() - 1e-6
        return torch.where(far, net.fc1(x), x[:, :5]) if bool(far.any()) else x[:, :5]

    return way


REACHED = {f.__name__: f for f in (as_usual, without_gradient, rounded, a_gate, for_few_items)}
LOCKED = {
    clone_aside: KEPT_ASIDE,
    transposed_aside: KEPT_ASIDE,
    view_aside: READ_ELSEWHERE,
    buffer_aside: READ_ELSEWHERE,
    view_beside_the_layer: READ_ELSEWHERE,
    parameter_in_a_list: READ_ELSEWHERE,
    module_beyond: READ_ELSEWHERE,
    behind_a_cache: READ_ELSEWHERE,
    computed_once: KEPT_FROM_BEFORE,
    list_aside: KEPT_ASIDE,
    unused: NOT_USED,
    thrown_away: THROWN_AWAY,
}


def reasons(network: nn.Module, *probes: Tensor) -> dict[str, str]:
    return dict(out_of_reach(network.eval(), find_layers(network)[0], probes or (X[:2], X)))


@pytest.mark.parametrize("build", REACHED.values(), ids=REACHED)
def test_a_layer_that_answers_follow_is_free(build: Callable[[Any], Any]) -> None:
    assert not reasons(Two(build))


@pytest.mark.parametrize(("build", "reason"), LOCKED.items(), ids=[f.__name__ for f in LOCKED])
def test_a_layer_whose_edit_does_not_arrive_is_locked_with_the_reason(
    build: Callable[[Any], Any], reason: str
) -> None:
    network = Two(build)
    before = digest_of(network)
    assert reasons(network) == {"fc1": reason}
    assert digest_of(network) == before


def test_what_was_computed_before_the_network_came_here_is_kept_aside() -> None:
    class Cached(Mlp):
        @cached_property
        def turned(self) -> Tensor:
            return self.fc1.weight.detach().t().contiguous()

        def forward(self, x: Tensor) -> Tensor:
            answer: Tensor = self.fc3(F.relu(self.fc2(F.relu(x @ self.turned))))
            return answer

    network = seeded(Cached())
    assert reasons(network) == {"fc1": KEPT_FROM_BEFORE}
    network(X)
    assert reasons(network) == {"fc1": KEPT_ASIDE}


@pytest.mark.parametrize("name", ZOO)
def test_every_layer_of_the_zoo_is_free_or_truly_out_of_use(name: str) -> None:
    network, example = ZOO[name].network().eval(), ZOO[name].example()
    if not isinstance(example, Tensor):
        pytest.skip("several inputs")
    found = reasons(network, example)
    assert set(found.values()) <= {NOT_USED, THROWN_AWAY}
    layers = {layer.name: layer for layer in find_layers(network)[0]}
    with torch.no_grad():
        before = list(tensors_in(network(example)))
        for layer in found:
            write_matrix(network, layers[layer], torch.randn(layers[layer].rows, layers[layer].columns))
        after = list(tensors_in(network(example)))
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_a_group_that_would_cut_a_locked_layer_is_locked() -> None:
    subject = subject_from_network(Two(clone_aside), Items(X.numpy().copy(), None), "mine")
    groups = groups_of(subject, (), Store())
    assert "fc1 must stay whole: the network computes with a copy" in str(groups["fc1"].locked)
    text = "groups: [{match: '*', steps: [{technique: magnitude, share_removed: 0.5}]}]"
    with pytest.raises(Refused, match="fc1 must stay whole"):
        compress(subject, read_recipe(text), Store())


def test_a_loaded_network_offers_the_layers_that_are_reached() -> None:
    subject = subject_from_network(Two(clone_aside), Items(X.numpy().copy(), None), "mine")
    split, store = subject.split("validation"), Store()
    text = "layers: [{match: '%s', steps: [{technique: magnitude, sparsity: 1.0}]}]"
    assert [layer.name for layer in subject.layers] == ["fc2"]
    with pytest.raises(Refused, match=r"fc1 is locked: the network computes with a copy of this weight"):
        compress(subject, read_recipe(text % "fc1"), store)
    model = compress(subject, read_recipe(text % "*"), store)
    network: Any = Two(clone_aside)
    network.fc2.weight.data.zero_()
    with torch.no_grad():
        assert np.array_equal(predict(model, split, store).logits, network(split.inputs).numpy())
