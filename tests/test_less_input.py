"""Groups of a costly network are found on little of its input, and stand only where all of it agrees."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchmarks.networks import TINY, bert, resnet50
from compress_core.network.course import watching
from compress_core.network.forward import some_items
from compress_core.structure import groups as search
from compress_core.structure import less_input as shortening
from compress_core.structure.group import Group
from compress_core.structure.groups import find_groups
from compress_core.structure.less_input import less_input
from compress_core.structure.search_limits import SearchLimits
from tests.subjects import seeded
from tests.zoo import ANSWER, ZOO


@pytest.fixture
def costly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every network counts as one whose passes take long, and small inputs may become smaller still."""
    monkeypatch.setattr(search, "_EASY", 0)
    monkeypatch.setattr(shortening, "_SIZES", (2, 3, 4, 11))


def _locked(groups: tuple[Group, ...]) -> dict[str, str]:
    return {group.name: group.locked for group in groups if group.locked is not None}


@pytest.mark.usefixtures("costly")
@pytest.mark.parametrize("name", ZOO)
def test_little_input_gives_the_groups_that_all_of_it_gives(name: str) -> None:
    specimen = ZOO[name]
    groups = find_groups(specimen.network(), specimen.example())
    expected = {**specimen.locked, **dict.fromkeys(specimen.answers, ANSWER)}
    assert {g.name: g.units for g in groups if g.locked is None} == specimen.free
    assert _locked(groups).keys() == expected.keys()
    assert all(expected[group] in reason for group, reason in _locked(groups).items())


class _OtherwiseIfWide(nn.Module):
    """Reckons across its channels where an image is wide; no module tells of it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.next, self.fc = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 5, 1), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if x.shape[-1] > 6:
            y = y - y.mean(1, keepdim=True)
        answer: Tensor = self.fc(self.next(y).relu().mean((2, 3)))
        return answer


@pytest.mark.usefixtures("costly")
def test_what_holds_on_little_input_alone_is_not_free() -> None:
    images = torch.randn(2, 3, 8, 8)
    groups = find_groups(seeded(_OtherwiseIfWide()), images)
    assert "reckons across" in _locked(groups)["conv"]
    small = find_groups(seeded(_OtherwiseIfWide()), images[..., :4, :4])
    assert "conv" not in _locked(small)


@pytest.mark.usefixtures("costly")
def test_a_block_that_passes_little_input_on_and_not_all_of_it_is_none() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            added = x + self.conv(x)
            return added.clamp(max=1.0)

    images = torch.zeros(2, 3, 8, 8)
    images[:, :, 7, 7] = 2.0
    network = nn.Sequential(Block(), nn.Flatten(2), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(3, 2))
    assert "0" in {group.name for group in find_groups(seeded(network), images[..., :4, :4])}
    assert "0" not in {group.name for group in find_groups(seeded(network), images)}


def test_words_and_their_mask_are_cut_together() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.fc = nn.Embedding(9, 4), nn.Linear(4, 2)

        def forward(self, words: Tensor, mask: Tensor) -> Tensor:
            answer: Tensor = self.fc((self.embed(words) * mask[..., None]).sum(1))
            return answer

    network = seeded(Masked())
    example = {"words": torch.ones(3, 40, dtype=torch.long), "mask": torch.ones(3, 40)}
    with watching(network, example) as course:
        network(**example)
    less = less_input(network, example, course, [2])
    assert isinstance(less, dict)
    assert {name: tuple(values.shape) for name, values in less.items()} == {"words": (3, 11), "mask": (3, 11)}
    first = some_items(example, slice(2))
    assert isinstance(first, dict)
    assert [len(values) for values in first.values()] == [2, 2]


def test_an_input_that_the_network_takes_in_one_size_only_stays() -> None:
    network, image = seeded(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 2))), torch.zeros(2, 3, 64, 64)
    with watching(network, image) as course:
        network(image)
    assert torch.equal(less_input(network, image, course, [2]), image)


@pytest.mark.slow
@pytest.mark.parametrize("network_and_items", ["resnet", "bert"])
def test_a_search_costs_a_few_passes_of_the_whole_network_and_no_more(
    network_and_items: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_EASY", 0)
    if network_and_items == "resnet":
        subject = resnet50(TINY)
        network, items = subject.network, torch.randn(2, 3, 128, 128)
    else:
        network, _ = bert(TINY)
        items = torch.randint(0, 30, (2, 128))
    network = network.requires_grad_(requires_grad=False)
    with watching(network, items) as course:
        network(items)
    groups = find_groups(network, items, SearchLimits(products=4 * course.cost()))
    assert not any("not decided" in reason for reason in _locked(groups).values())
    assert sum(group.locked is None for group in groups) > 4
