"""What cannot be followed locks what lies around it: the rest stays on offer, and is right."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from compress_core.network.forward import doubled, in_double, run_network, tensors_in
from compress_core.structure.coupling import trace
from compress_core.structure.group import Group, GroupKind
from compress_core.structure.groups import find_groups
from compress_core.structure.shrink import preview, shrink
from tests import zoo_unfollowed as unfollowed
from tests.subjects import seeded
from tests.zoo import ANSWER

_IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
_WORDS = torch.arange(10).view(2, 5)


def _groups(network: nn.Module, example: Tensor) -> dict[str, Group]:
    return {group.name: group for group in find_groups(seeded(network), example)}


def _free(groups: dict[str, Group]) -> dict[str, int]:
    return {name: group.units for name, group in groups.items() if group.locked is None}


def assert_cuts_are_right(network: nn.Module, example: Tensor, groups: dict[str, Group]) -> None:
    """Every free group loses a third of its units; the smaller network answers what the masked one does."""
    network, example = in_double(seeded(network)), doubled(example)
    free = [g for g in groups.values() if g.locked is None and g.kind is not GroupKind.BLOCK]
    cuts = [cut for group in free for cut in group.cuts(torch.arange(group.units) % 3 != 1)]
    with torch.inference_mode():
        small, masked = shrink(network, cuts)(example), preview(network, cuts)(example)
    assert torch.allclose(small, masked, rtol=0, atol=1e-9)
    assert sum(p.numel() for p in shrink(network, cuts).parameters()) < sum(
        p.numel() for p in network.parameters()
    )


@pytest.mark.parametrize("name", unfollowed.OPERATIONS)
def test_an_operation_that_cannot_be_followed_locks_the_layer_before_it_alone(name: str) -> None:
    network = unfollowed.Around(*unfollowed.OPERATIONS[name])
    groups = _groups(network, _IMAGES)
    assert _free(groups) == {"stem": 6, "next": 7}
    assert {group.producers[0] for group in groups.values() if group.locked} == {"mid", "fc"}
    assert ANSWER in str(groups["fc"].locked)
    assert_cuts_are_right(network, _IMAGES, groups)


@pytest.mark.parametrize(
    ("build", "free"),
    [
        (unfollowed.ShuffledUnits, {"stem": 6, **{f"units.{number}.into": 4 for number in range(3)}}),
        (unfollowed.FrequencyBranch, {"stem": 6, "plain": 5, "into": 8}),
        (unfollowed.SpatialGate, {"stem": 6}),
        (unfollowed.Windowed, {"fc1": 12}),
    ],
)
def test_what_lies_elsewhere_stays_on_offer_and_is_right(
    build: type[nn.Module], free: dict[str, int]
) -> None:
    groups = _groups(build(), _IMAGES)
    assert _free(groups) == free
    assert_cuts_are_right(build(), _IMAGES, groups)


@pytest.mark.parametrize(("shared", "heads"), [(1, 4), (2, 2), (4, 4)])
def test_the_search_ends_where_turned_halves_go_round_and_finds_the_heads_that_share(
    shared: int, heads: int
) -> None:
    groups = _groups(unfollowed.Llama(shared=shared), _WORDS)
    names = ("layers.0.attention.q_proj", "layers.0.gate", "layers.0")
    assert _free(groups) == dict(zip(names, (heads, 12, 1), strict=True))
    assert groups[names[0]].kind is GroupKind.HEADS
    assert "reckons across" in str(groups["embed"].locked)
    assert_cuts_are_right(unfollowed.Llama(shared=shared), _WORDS, groups)


def test_a_walk_that_runs_out_of_steps_says_so_and_marks_what_it_left() -> None:
    whole, short = (
        trace(seeded(unfollowed.Llama()), lambda n: tensors_in(run_network(n, _WORDS)), steps)
        for steps in (10**6, 100)
    )
    assert not whole.undecided
    assert "embed" in {slot.module for slot in short.undecided}


class _Alike(nn.Module):
    """Two layers; what stands between them is said nowhere."""

    def __init__(self, mixes: bool) -> None:
        super().__init__()
        self.fc1, self.fc2, self.mixes = nn.Linear(6, 8), nn.Linear(8, 6), mixes

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc1(x)
        y = y - y.mean(1, keepdim=True) if self.mixes else y.relu()
        answer: Tensor = self.fc2(y)
        return answer


@pytest.mark.parametrize("mixing", [{1}, {0, 2}, {1, 2}])
def test_one_of_a_kind_does_not_speak_for_another_that_computes_otherwise(mixing: set[int]) -> None:
    network = nn.Sequential(*(_Alike(index in mixing) for index in range(4)), nn.Linear(6, 2))
    groups = _groups(network, torch.randn(4, 6))
    assert {n for n in range(4) if "reckons across" in str(groups[f"{n}.fc1"].locked)} == mixing
    assert_cuts_are_right(network, torch.randn(4, 6), groups)


def test_a_forward_that_writes_into_a_buffer_finds_the_network_unchanged() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(6, 5), nn.Linear(5, 2)
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.seen += 1
            answer: Tensor = self.fc2(self.fc1(x))
            return answer

    network = seeded(Counting())
    groups = find_groups(network, torch.randn(4, 6))
    assert [group.locked is None for group in groups] == [True, False]
    assert network.get_buffer("seen").item() == 0


def test_answers_that_a_mask_makes_infinite_hide_nothing_of_the_others() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(6, 5), nn.Linear(5, 4)

        def forward(self, x: Tensor) -> Tensor:
            answer: Tensor = self.fc2(self.fc1(x))
            return answer.masked_fill(torch.tensor([True, False, False, True]), -torch.inf)

    assert _free(_groups(Masked(), torch.randn(4, 6))) == {"fc1": 5}
