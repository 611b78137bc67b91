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


@pytest.mark.parametrize("shared", [1, 2, 4])
def test_the_search_ends_where_turned_halves_lead_indices_round_and_round(shared: int) -> None:
    groups = _groups(unfollowed.Llama(shared=shared), _WORDS)
    assert groups["layers.0.gate"].units == 12
    assert groups["layers.0.gate"].locked is None
    assert groups["layers.0"].locked is None
    assert "reckons across" in str(groups["embed"].locked)
    assert_cuts_are_right(unfollowed.Llama(shared=shared), _WORDS, groups)


def test_a_walk_that_runs_out_of_steps_says_so_and_marks_what_it_left() -> None:
    network = seeded(unfollowed.Llama())
    outputs = lambda n: tensors_in(run_network(n, _WORDS))  # noqa: E731 - two lines would say no more
    whole, short = trace(seeded(unfollowed.Llama()), outputs, 10**6), trace(network, outputs, 100)
    assert not whole.undecided
    assert "embed" in {slot.module for slot in short.undecided}
