"""A copy of a module tree computes with its own modules, whichever way its forward reaches them."""

from __future__ import annotations

import functools
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from compress_core.network.shared_copy import own_copy, shared_copy
from tests.subjects import seeded

X = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))


class Way(nn.Module):
    """Two layers, called along a way that a test puts there."""

    def __init__(self, lay: Callable[[Any], None]) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 5), nn.Linear(5, 3)
        self.way: Any = None
        lay(self)
        seeded(self)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.last(F.relu(self.way(x)))
        return answer


class Holder:
    """An object that is no module and holds one, with a function beside it."""

    def __init__(self, layer: nn.Module) -> None:
        self.call = lambda x: layer(2 * x)
        self.layer = layer

    def __call__(self, x: Tensor) -> Tensor:
        answer: Tensor = self.call(x)
        return answer


def by_default_argument(net: Any) -> None:
    def way(x: Tensor, layer: nn.Module = net.first) -> Tensor:
        answer: Tensor = layer(x)
        return answer

    net.way = way


def by_wrapper(net: Any) -> None:
    @functools.wraps(F.relu)
    def way(x: Tensor) -> Tensor:
        answer: Tensor = inner(x)
        return answer

    def inner(x: Tensor) -> Tensor:
        answer: Tensor = net.first(x) if len(x) else inner(x)
        return answer

    net.way = way


def by_forward_of_its_own(net: Any) -> None:
    layer = net.first
    layer.forward = lambda x: F.linear(x, layer.weight, layer.bias)
    net.way = layer


def by_method(net: Any) -> None:
    layer = net.first
    layer.forward = types.MethodType(lambda self, x: F.linear(x, self.weight, self.bias), layer)
    net.way = layer.forward


def by_lock_and_closure(net: Any) -> None:
    lock = threading.Lock()

    def way(x: Tensor) -> Tensor:
        with lock:
            answer: Tensor = net.first(x)
        return answer

    net.way = way


def by_hook_on_self(net: Any) -> None:
    net.handle = net.first.register_forward_hook(lambda _m, _i, out: setattr(net, "feature", out))

    def way(x: Tensor) -> Tensor:
        net.first(x)
        answer: Tensor = net.feature
        return answer

    net.way = way


def by_closure(net: Any) -> None:
    net.way = lambda x: net.first(2 * x)


def by_list_in_a_closure(net: Any) -> None:
    held = [net.first]
    net.way = lambda x: held[0](2 * x)


def by_weak_reference(net: Any) -> None:
    net.ref = weakref.ref(net.first)
    net.way = lambda x: net.ref()(2 * x)


def by_weak_method(net: Any) -> None:
    method = weakref.WeakMethod(net.first.forward)
    net.way = lambda x: method()(2 * x)


def by_proxy(net: Any) -> None:
    proxies = [weakref.proxy(net.first)]
    net.way = lambda x: proxies[0](2 * x)


WAYS: dict[str, Callable[[Any], None]] = {
    "closure": by_closure,
    "list in a closure": by_list_in_a_closure,
    "weak reference": by_weak_reference,
    "weak method": by_weak_method,
    "proxy": by_proxy,
    "partial": lambda net: setattr(net, "way", functools.partial(type(net.first).forward, net.first)),
    "bound method": lambda net: setattr(net, "way", net.first.forward),
    "object": lambda net: setattr(net, "way", Holder(net.first)),
    "namespace": lambda net: setattr(net, "way", types.SimpleNamespace(layer=net.first).layer),
    "default argument": by_default_argument,
    "wrapper": by_wrapper,
    "forward of its own": by_forward_of_its_own,
    "method put on a layer": by_method,
    "closure over a lock": by_lock_and_closure,
    "hook that stores on self": by_hook_on_self,
}


@pytest.mark.parametrize("copied", [shared_copy, own_copy], ids=["shared", "own"])
@pytest.mark.parametrize("lay", WAYS.values(), ids=WAYS)
def test_a_copy_reaches_its_own_layer_along_every_way(
    lay: Callable[[Any], None], copied: Callable[[nn.Module], nn.Module]
) -> None:
    network = Way(lay)
    with torch.no_grad():
        want = network(X)
        copy: Any = copied(network)
        assert torch.equal(copy(X), want)
        copy.first.weight = nn.Parameter(torch.zeros(5, 6))
        copy.first.bias = nn.Parameter(torch.zeros(5))
        assert torch.equal(copy(X), copy.last.bias.expand(4, 3)), "the edit is seen"
        assert torch.equal(network(X), want), "and by the copy alone"


class Remembering(nn.Module):
    """Leaves something behind wherever it can, in evaluation mode as well."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 3)
        self.register_buffer("seen", torch.zeros(6))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.aside = torch.zeros(6)
        self.notes: list[int] = []
        self.table: dict[str, list[int]] = {"calls": []}
        kept: list[int] = []
        self.note = lambda: kept.append(1)
        self.kept = kept

    def forward(self, x: Tensor) -> Tensor:
        for tensor in (self.seen, self.steps, self.aside):
            tensor.add_(1)
        self.notes.append(1)
        self.table["calls"].append(1)
        self.note()
        answer: Tensor = self.fc(x)
        return answer


@pytest.mark.parametrize("copied", [shared_copy, own_copy], ids=["shared", "own"])
def test_what_a_copy_leaves_behind_stays_in_it(copied: Callable[[nn.Module], nn.Module]) -> None:
    network = Remembering().eval()
    copy: Any = copied(network)
    copy(X)
    assert not network.seen.any()
    assert not network.steps
    assert not network.aside.any()
    assert [network.notes, network.table["calls"], network.kept] == [[], [], []]
    assert copy.kept == [1]


def test_a_shared_copy_shares_every_weight_and_an_own_copy_none() -> None:
    network = Way(WAYS["closure"])
    pairs = zip(network.parameters(), shared_copy(network).parameters(), strict=True)
    assert all(one is other for one, other in pairs)
    held = {parameter.data_ptr() for parameter in network.parameters()}
    assert not held & {parameter.data_ptr() for parameter in own_copy(network).parameters()}


def test_an_own_copy_that_is_taken_to_another_type_leaves_the_original_in_its_own() -> None:
    network = nn.Linear(1, 4, bias=False)
    network.weight = nn.Parameter(torch.ones(1, 1).expand(4, 1), requires_grad=False)
    assert own_copy(network).double().weight.dtype is torch.float64
    assert network.weight.dtype is torch.float32


def test_tied_weights_and_modules_stay_tied_in_a_copy() -> None:
    network: Any = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    network.append(network[0])
    for copy in (shared_copy(network), own_copy(network)):
        parts: Any = copy
        assert parts[0].weight is parts[1].weight
        assert parts[2] is parts[0]


def test_a_module_that_copies_itself_stands_among_others_that_hold_closures() -> None:
    network = Way(WAYS["closure"])
    parametrizations.weight_norm(network.last)
    copy: Any = shared_copy(network)
    copy.first.weight = nn.Parameter(torch.zeros(5, 6))
    with torch.no_grad():
        assert copy.last is not network.last
        assert not torch.equal(copy(X), network(X))


def test_what_was_caught_while_gradients_ran_does_not_stop_a_copy() -> None:
    network: Any = Way(WAYS["hook that stores on self"])
    network(X)
    assert network.feature.grad_fn is not None
    assert torch.equal(shared_copy(network)(X), network(X))
