"""Networks that come wrapped, compiled, scripted or quantized: taken as what is inside, or refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn

from compress_core import load
from compress_core.foundation.errors import Refused
from compress_core.loading.items import Items
from compress_core.loading.user_model import subject_from_network
from compress_core.subject.subject import Subject
from tests.subjects import Mlp, seeded

ITEMS = np.random.default_rng(5).normal(size=(12, 6)).astype(np.float32)


class Around(nn.Module):
    """A network that holds another one."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.body(x)
        return answer


def mlp() -> nn.Module:
    return seeded(Mlp())


def compiled_in_place() -> nn.Module:
    network = mlp()
    network.compile(backend="eager")  # the usual one wants a C++ compiler and no space in its path
    return network


def with_compiled_forward() -> nn.Module:
    network: Any = mlp()
    network.forward = torch.compile(network.forward, backend="eager")
    return network


def quietly(make: Callable[[], nn.Module]) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


WRAPPED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "DataParallel": (lambda: nn.DataParallel(mlp()), ""),
    "DataParallel within": (lambda: Around(nn.DataParallel(mlp())), "body."),
    "twice": (lambda: nn.DataParallel(nn.DataParallel(mlp())), ""),
    "compiled": (lambda: torch.compile(mlp()), ""),
    "compiled within": (lambda: Around(torch.compile(mlp())), "body."),
    "compiled in place": (compiled_in_place, ""),
    "compiled forward": (with_compiled_forward, ""),
    "graph of fx": (lambda: fx.symbolic_trace(mlp()), ""),
}
COMPILED = [name for name in WRAPPED if "compiled" in name]  # the compiler takes seconds to import
OTHERWISE: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "scripted": (lambda: torch.jit.script(mlp()), "scripted or traced by torch.jit"),
    "traced": (lambda: torch.jit.trace(mlp(), torch.zeros(2, 6)), "scripted or traced by torch.jit"),
    "scripted within": (lambda: Around(torch.jit.script(mlp())), r"\.body was scripted or traced"),
    "quantized": (
        lambda: torch.ao.quantization.quantize_dynamic(mlp(), {nn.Linear}),
        "is quantized already, fc1 is a Linear of torch.ao",
    ),
    "quantized within": (
        lambda: torch.ao.quantization.quantize_dynamic(Around(mlp()), {nn.Linear}),
        r"quantized already, body\.fc1 is",
    ),
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 3)), "^0 of .* has no weights yet"),
    "lazy convolution": (lambda: Around(nn.LazyConv2d(4, 3)), "^body of .* has no weights yet"),
    "lazy norm": (lambda: nn.Sequential(nn.LazyBatchNorm1d()), "^0 of .* has no weights yet"),
    "without values": (lambda: nn.Linear(6, 3, device="meta"), "^Linear of .* holds no values"),
}


def from_network(network: nn.Module) -> Subject:
    return subject_from_network(network, Items(ITEMS, None), "mine")


def by_the_face(network: nn.Module) -> Subject:
    return load(network, ITEMS)


@pytest.mark.parametrize("taken", [from_network, by_the_face])
@pytest.mark.parametrize(
    ("make", "prefix"),
    [
        pytest.param(*given, id=name, marks=[pytest.mark.slow] if name in COMPILED else [])
        for name, given in WRAPPED.items()
    ],
)
def test_what_only_calls_a_network_is_taken_off(
    make: Callable[[], nn.Module], prefix: str, taken: Callable[[nn.Module], Subject]
) -> None:
    subject = taken(quietly(make))
    assert [layer.name for layer in subject.layers] == [f"{prefix}fc{n}" for n in (1, 2, 3)]
    with torch.inference_mode():
        x = torch.from_numpy(ITEMS)
        assert torch.equal(subject.network(x), mlp()(x))


@pytest.mark.parametrize("taken", [from_network, by_the_face])
@pytest.mark.parametrize(("make", "says"), OTHERWISE.values(), ids=OTHERWISE)
def test_what_cannot_be_taken_apart_is_refused_for_that_reason(
    make: Callable[[], nn.Module], says: str, taken: Callable[[nn.Module], Subject]
) -> None:
    network = quietly(make)
    with pytest.raises(Refused, match=says):
        taken(network)


@pytest.mark.slow
def test_a_program_of_torch_export_is_refused_for_that_reason() -> None:
    network = torch.export.export(mlp(), (torch.zeros(2, 6),)).module()
    with pytest.raises(Refused, match=r"was made by torch\.export"):
        from_network(network)


@pytest.mark.slow
def test_the_network_that_was_given_keeps_its_wrapper_and_its_compiler() -> None:
    network: Any = Around(nn.DataParallel(mlp()))
    network.compile()
    by_the_face(network)
    assert isinstance(network.body, nn.DataParallel)
    assert network._compiled_call_impl is not None
