"""Where the input alone chooses the way, as a mask does, groups are free if they hold on every way."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from compress_core.structure import groups as search
from compress_core.structure.group import Group, GroupKind
from compress_core.structure.groups import find_groups
from tests.subjects import seeded

_ALL, _SOME = torch.ones(3, 5), torch.tensor([[1.0] * 5, [1.0] * 5, [1, 1, 1, 0, 0]])


@pytest.fixture(autouse=True)
def _costly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes count as long ones, so that checks take two items only, whatever the network is given."""
    monkeypatch.setattr(search, "_EASY", 0)


class Masked(nn.Module):
    """Attention that looks nowhere where a mask is zero, if it is zero anywhere; then two layers."""

    def __init__(self, mixes: bool = False) -> None:
        super().__init__()
        self.embed, self.q, self.k, self.v = (nn.Linear(4 if i == 0 else 8, 8) for i in range(4))
        self.out, self.fc1, self.fc2 = nn.Linear(8, 8), nn.Linear(8, 10), nn.Linear(10, 3)
        self.mixes = mixes

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.embed(x)
        q, k, v = (layer(x).unflatten(-1, (-1, 4)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        seen = q @ k.transpose(2, 3)
        hidden_ones = bool((mask == 0).any())
        if hidden_ones:
            seen = seen.masked_fill(mask[:, None, None] == 0, -100.0)
        y = self.fc1(self.out((seen.softmax(-1) @ v).transpose(1, 2).flatten(2)).mean(1)).relu()
        if hidden_ones and self.mixes:
            y = y - y.mean(-1, keepdim=True)
        answer: Tensor = self.fc2(y)
        return answer


def _groups(network: nn.Module, mask: Tensor) -> dict[str, Group]:
    example = {"x": torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(1)), "mask": mask}
    return {group.name: group for group in find_groups(seeded(network), example)}


@pytest.mark.parametrize("mask", [_ALL, _SOME, _SOME.flip(0)], ids=["all", "some", "some first"])
def test_a_mask_that_chooses_the_way_locks_nothing(mask: Tensor) -> None:
    free = {name: group for name, group in _groups(Masked(), mask).items() if group.locked is None}
    assert {name: group.units for name, group in free.items()} == {"embed": 8, "q": 2, "out": 8, "fc1": 10}
    assert free["q"].kind is GroupKind.HEADS


@pytest.mark.slow
def test_what_holds_on_one_way_alone_is_locked_if_an_item_goes_the_other() -> None:
    assert _groups(Masked(mixes=True), _ALL)["fc1"].locked is None
    for mask in (_SOME, _SOME.flip(0)):
        assert "reckons across" in str(_groups(Masked(mixes=True), mask)["fc1"].locked)
        assert _groups(Masked(mixes=True), mask)["out"].locked is None


def test_a_block_that_only_some_items_pass_by_is_none() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            answer: Tensor = self.fc(x) + (x if bool((x > 0).all()) else -x)
            return answer

    network = nn.Sequential(Block(), nn.Linear(4, 2))
    positive = torch.rand(3, 4, generator=torch.Generator().manual_seed(2)) + 0.1
    other = positive.clone()
    other[2] *= -1
    assert "0" in {group.name for group in find_groups(seeded(network), positive)}
    for items in (other, other.flip(0)):
        assert "0" not in {group.name for group in find_groups(seeded(network), items)}


def test_a_block_that_is_told_something_beside_its_input_can_be_left_out() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(6, 8), nn.Linear(8, 6)

        def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
            answer: Tensor = x + scale * self.fc2(self.fc1(x).relu())
            return answer

    class Told(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.head = Scaled(), Scaled(), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            answer: Tensor = self.head(self.two(self.one(x, scale=0.5), 2.0))
            return answer

    groups = {group.name: group.locked for group in find_groups(seeded(Told()), torch.randn(4, 6))}
    assert groups["one"] is groups["two"] is None
