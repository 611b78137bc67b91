"""Layers that exporters write in pieces are one layer again, and what only looks like one stays in pieces."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.onnx_files import assert_answers_alike, by_torch, items_of
from tests.subjects import seeded


class By(nn.Module):
    """A function between two layers, with a weight and a bias for each feature."""

    def __init__(self, function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.before, self.after = nn.Linear(6, 6), nn.Linear(6, 3)
        self.gain, self.offset = nn.Parameter(torch.randn(6)), nn.Parameter(torch.randn(6))
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.function(self.before(x), self.gain, self.offset))


def root(x: Tensor, epsilon: float = 1e-5) -> Tensor:
    return torch.sqrt(x.pow(2).mean(-1, keepdim=True) + epsilon)


def centered(x: Tensor) -> Tensor:
    return x - x.mean(-1, keepdim=True)


JOINED: dict[str, tuple[Callable[[Tensor, Tensor, Tensor], Tensor], str]] = {
    "layer norm": (lambda x, g, b: centered(x) / root(centered(x)) * g + b, "LayerNorm"),
    "layer norm turned": (lambda x, g, b: b + g * (centered(x) / root(centered(x))), "LayerNorm"),
    "gelu": (lambda x, *_: 0.5 * x * (1 + torch.erf(x / 2**0.5)), "GELU"),
    "gelu turned": (lambda x, *_: x * (torch.erf(x * 0.5**0.5) + 1) * 0.5, "GELU"),
    "silu": (lambda x, *_: torch.sigmoid(x) * x, "SiLU"),
    "hardswish": (lambda x, *_: x * nn.functional.hardsigmoid(x), "Hardswish"),
    "rms norm": (lambda x, g, *_: x / root(x) * g, "RMSNorm"),
    "rms norm by its inverse": (lambda x, g, *_: g * (x * torch.reciprocal(root(x))), "RMSNorm"),
    "rms norm by its inverse turned": (lambda x, g, *_: (torch.reciprocal(root(x)) * x) * g, "RMSNorm"),
}
NEARLY: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "another root": lambda x, g, b: centered(x) / root(x) * g + b,
    "another mean": lambda x, g, b: (x - (x * x).mean(-1, keepdim=True)) / root(centered(x)) * g + b,
    "another power": lambda x, g, *_: x / torch.sqrt((x.abs() ** 3).mean(-1, keepdim=True) + 1e-5) * g,
    "another axis": lambda x, g, b: (x - x.mean(1, keepdim=True)) * g + b,
    "half of another erf": lambda x, *_: 0.5 * x * (1 + torch.erf(x / 2)),
    "another share": lambda x, *_: 0.4 * x * (1 + torch.erf(x / 2**0.5)),
    "erf of another": lambda x, *_: 0.5 * x * (1 + torch.erf(x.abs() / 2**0.5)),
    "another gate": lambda x, *_: x * torch.sigmoid(x + 1),
    "the gate alone": lambda x, *_: torch.sigmoid(x) * torch.sigmoid(x),
    "a gain of another shape": lambda x, g, *_: x / root(x) * g[:4, None],
}
WHOLE = {"LayerNorm", "GELU", "SiLU", "Hardswish", "RMSNorm", "GroupNorm"}


def kinds_of(network: nn.Module) -> set[str]:
    return {type(module).__name__ for module in network.modules()} & WHOLE


@pytest.mark.parametrize("name", JOINED)
def test_the_pieces_of_a_layer_are_that_layer(name: str) -> None:
    function, kind = JOINED[name]
    content = by_torch(seeded(By(function)), items_of((4, 6)), dynamo=False, opset=13)
    network = assert_answers_alike(content, items_of((4, 6)))
    assert kinds_of(network) == {kind}
    assert len(network._steps) == 3


@pytest.mark.parametrize("name", NEARLY)
def test_what_only_looks_like_a_layer_stays_in_pieces(name: str) -> None:
    content = by_torch(seeded(By(NEARLY[name])), items_of((4, 6)), dynamo=False, opset=13)
    assert not kinds_of(assert_answers_alike(content, items_of((4, 6))))


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (nn.LayerNorm(8), "LayerNorm"),
        (nn.GroupNorm(2, 4), "GroupNorm"),
        (nn.GELU(), "GELU"),
        (nn.SiLU(), "SiLU"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_layers_of_torch_come_back_from_the_older_exporter(layer: nn.Module, kind: str, opset: int) -> None:
    network = seeded(nn.Sequential(nn.Conv2d(3, 4, 1), layer, nn.Flatten(), nn.Linear(256, 3)))
    made = assert_answers_alike(
        by_torch(network, items_of((3, 8, 8)), dynamo=False, opset=opset), items_of((3, 8, 8))
    )
    assert kinds_of(made) == {kind}
    if layer.state_dict():
        assert set(made.get_submodule("1").state_dict()) == {"weight", "bias"}


def test_what_also_stands_alone_is_still_made() -> None:
    class Both(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            gate = torch.sigmoid(x)
            return torch.cat([x * gate, gate], 1)

    network = assert_answers_alike(by_torch(Both(), items_of((4,)), dynamo=False), items_of((4,)))
    assert {type(module).__name__ for module in network.children()} == {"SiLU", "Sigmoid"}


def test_slices_that_are_equal_parts_are_one_chunk() -> None:
    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 12)

        def forward(self, x: Tensor) -> Tensor:
            x = self.fc(x)
            return x[:, 8:] * x[:, :4] + x[:, 4:8]

    network = assert_answers_alike(by_torch(seeded(Parts()), items_of((4,)), dynamo=False), items_of((4,)))
    assert [step.call for step in network._steps] == ["layer", "chunk", "mul", "add"]


@pytest.mark.parametrize("ends", [(4, 12), (6, 6), (0, 6)])
def test_other_slices_stay_slices(ends: tuple[int, int]) -> None:
    class Parts(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x[:, : ends[1]] * 2, x[:, ends[0] :]], 1)

    network = assert_answers_alike(by_torch(Parts(), items_of((12,)), dynamo=False), items_of((12,)))
    assert ("chunk" in {step.call for step in network._steps}) == (ends == (6, 6))


def test_keys_that_are_turned_as_matrices_of_one_batch_count_on_no_number_of_heads() -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 6)

        def forward(self, x: Tensor) -> Tensor:
            heads = self.fc(x).unflatten(2, (2, 3)).transpose(1, 2)
            keys = heads.flatten(0, 1).transpose(1, 2).unflatten(0, (-1, 2))
            return (heads @ keys).flatten(1)

    items = items_of((5, 4))
    network = assert_answers_alike(by_torch(seeded(Turned()), items, dynamo=False), items)
    calls = [step.call for step in network._steps]
    assert calls == ["layer", "unflatten", "permute", "permute", "matmul", "flatten"]


def test_matrices_that_are_turned_and_joined_in_another_way_are_reshaped() -> None:
    class Turned(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            keys = x.unflatten(1, (2, 3)).flatten(0, 1).transpose(1, 2)
            return keys.reshape(-1, 6 * 4)

    items = items_of((6, 4))
    network = assert_answers_alike(by_torch(Turned(), items, dynamo=False), items)
    assert [step.call for step in network._steps].count("permute") == 1
