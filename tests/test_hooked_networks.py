"""Features that a hook leaves somewhere for a later step, and slices of one weight: right, or refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.loading.items import Items
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.behavior.evaluate import predict
from compress_core.recipe.reading import read_recipe
from compress_core.subject.subject import Subject
from tests.subjects import seeded

IMAGES = np.random.default_rng(4).normal(size=(220, 2, 5, 5)).astype(np.float32)
ROWS = np.random.default_rng(4).normal(size=(20, 6)).astype(np.float32)
HALF = "layers: [{match: '*', steps: [{technique: magnitude, sparsity: 0.5}]}]"
FOLDED = "prepare: [{technique: fold_batch_norm}]"
CUT = "groups: [{match: '*', steps: [{technique: magnitude, share_removed: 0.5}]}]"


class Caught(nn.Module):
    """What conv2 answers is caught by a hook and mixed in at the end; `keep` registers it."""

    def __init__(self, keep: Callable[[Any], None]) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)
        self.conv2, self.norm2 = nn.Conv2d(4, 6, 2), nn.BatchNorm2d(6)
        self.fc = nn.Linear(12, 3)
        self.features: dict[str, Tensor] = {}
        self.feature: Tensor | None = None
        keep(self)
        seeded(self)
        for norm in (self.norm1, self.norm2):
            assert norm.running_var is not None
            norm.running_var.copy_(torch.linspace(0.5, 2, len(norm.running_var)))

    def catch(self, _: nn.Module, _given: object, answer: Tensor) -> None:
        self.features["conv2"] = answer

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))
        caught = self.features["conv2"] if self.feature is None else self.feature
        answer: Tensor = self.fc(torch.cat([y.mean((2, 3)), caught.mean((2, 3))], 1))
        return answer


def _put(where: dict[str, Tensor], _: nn.Module, _given: object, answer: Tensor) -> None:
    where["conv2"] = answer


def by_closure(net: Any) -> None:
    net.conv2.register_forward_hook(lambda _m, _i, answer: net.features.update(conv2=answer))


def by_attribute(net: Any) -> None:
    net.conv2.register_forward_hook(lambda _m, _i, answer: setattr(net, "feature", answer))


def by_method(net: Any) -> None:
    net.handle = net.conv2.register_forward_hook(net.catch)


def by_partial(net: Any) -> None:
    net.conv2.register_forward_hook(functools.partial(_put, net.features))


def before_the_norm(net: Any) -> None:
    net.norm2.register_forward_pre_hook(lambda _m, given: net.features.update(conv2=given[0]))


KINDS = {f.__name__: f for f in (by_closure, by_attribute, by_method, by_partial, before_the_norm)}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def keep(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    found: Callable[[Any], None] = request.param
    return found


def images(keep: Callable[[Any], None], *, has_run: bool = False) -> Subject:
    network = Caught(keep)
    if has_run:
        network(torch.from_numpy(IMAGES[:3]))
    return subject_from_network(network, Items(IMAGES, None), "mine")


def answers(network: nn.Module, subject: Subject) -> Tensor:
    with torch.no_grad():
        found: Tensor = network(subject.split("validation").inputs.clone())
    return found


def answered(model: Model) -> Tensor:
    return torch.tensor(predict(model, model.subject.split("validation"), Store()).logits)


@pytest.mark.parametrize("has_run", [False, True], ids=["new", "has run before"])
def test_what_a_hook_catches_follows_every_edit(keep: Callable[[Any], None], has_run: bool) -> None:
    subject, truth = images(keep, has_run=has_run), Caught(keep)
    assert torch.equal(answered(Model.original(subject)), answers(truth, subject))
    model = compress(subject, read_recipe(HALF), Store())
    for name in ("conv1", "conv2", "fc"):
        layer = subject.layer(name)
        truth.get_submodule(name).weight.data.copy_(model.values(name).view(layer.kernel_shape))  # type: ignore[union-attr, operator]
    assert torch.allclose(answered(model), answers(truth, subject), atol=1e-6)


def test_folding_changes_nothing_of_what_was_caught(keep: Callable[[Any], None]) -> None:
    subject = images(keep)
    model = compress(subject, read_recipe(FOLDED), Store())
    assert {layer for layer, _ in model.base.structure.folded} == {"conv1"}, "conv2 is read before its norm"
    assert torch.allclose(answered(model), answered(Model.original(subject)), atol=1e-5)


def test_cut_channels_are_cut_in_what_was_caught_too(keep: Callable[[Any], None]) -> None:
    model = compress(images(keep), read_recipe(CUT), Store())
    network: Any = model.network()
    assert network.fc.in_features < 12
    assert torch.equal(answered(model), answers(network, model.subject))


class Sliced(nn.Module):
    """Two parts of one weight work as layers of their own; `lay` says in which form."""

    def __init__(self, lay: Callable[[Any], Callable[[Tensor], Tensor]]) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 3)
        self.part = lay(self)
        generator = torch.Generator().manual_seed(1)
        for parameter in self.parameters():
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.fc(F.relu(self.part(x)))
        return answer


def of_a_bare_parameter(net: Any) -> Callable[[Tensor], Tensor]:
    net.w = nn.Parameter(torch.ones(8, 6))
    return lambda x: torch.cat([F.linear(x, net.w[:5]), F.linear(-x, net.w[5:])], 1)


def of_a_layer(net: Any) -> Callable[[Tensor], Tensor]:
    net.whole = nn.Linear(6, 8, bias=False)
    return lambda x: torch.cat([F.linear(x, net.whole.weight[:5]), F.linear(-x, net.whole.weight[5:])], 1)


def of_one_memory(net: Any) -> Callable[[Tensor], Tensor]:
    base = torch.ones(8, 6)
    net.one, net.two = nn.Linear(6, 5, bias=False), nn.Linear(6, 3, bias=False)
    net.one.weight, net.two.weight = nn.Parameter(base[:5]), nn.Parameter(base[5:])
    return lambda x: torch.cat([net.one(x), net.two(-x)], 1)


def that_overlap(net: Any) -> Callable[[Tensor], Tensor]:
    base = torch.ones(7, 6)
    net.one, net.two = nn.Linear(6, 5, bias=False), nn.Linear(6, 3, bias=False)
    net.one.weight, net.two.weight = nn.Parameter(base[:5]), nn.Parameter(base[4:])
    return lambda x: torch.cat([net.one(x), net.two(-x)], 1)


def a_layer_of_a_bare_one(net: Any) -> Callable[[Tensor], Tensor]:
    net.w = nn.Parameter(torch.ones(8, 6))
    net.one = nn.Linear(6, 5, bias=False)
    net.one.weight = nn.Parameter(net.w.data[:5])
    return lambda x: F.linear(x, net.w) + F.pad(net.one(x), (0, 3))


SLICES = {
    of_a_bare_parameter: {"fc"},
    of_a_layer: {"fc", "whole"},
    of_one_memory: {"fc", "one", "two"},
    that_overlap: {"fc"},
    a_layer_of_a_bare_one: {"fc"},
}


@pytest.mark.parametrize(("lay", "offered"), SLICES.items(), ids=[f.__name__ for f in SLICES])
def test_slices_of_one_weight_are_edited_rightly_or_left_alone(
    lay: Callable[[Any], Callable[[Tensor], Tensor]], offered: set[str]
) -> None:
    subject = subject_from_network(Sliced(lay), Items(ROWS, None), "mine")
    assert {layer.name for layer in subject.layers} == offered
    model, truth = compress(subject, read_recipe(HALF), Store()), Sliced(lay)
    for name in offered:
        truth.get_submodule(name).weight.data.copy_(model.values(name))  # type: ignore[union-attr, operator]
    assert torch.allclose(answered(model), answers(truth, subject), atol=1e-6)
