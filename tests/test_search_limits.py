"""A search for groups costs so much and no more; what is not decided by then is locked and says so."""

from __future__ import annotations

import itertools

import pytest
import torch

from compress_core.structure.groups import Group, find_groups
from compress_core.structure.search_limits import SearchLimits
from tests.subjects import Mlp, seeded
from tests.zoo import ANSWER, ZOO


def _found(limits: SearchLimits) -> dict[str, Group]:
    return {group.name: group for group in find_groups(seeded(Mlp()), torch.randn(4, 6), limits)}


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (
            SearchLimits(products=0),
            "so far took 0.0e+00 multiplications, and the limit of a search is 0.0e+00",
        ),
        (SearchLimits(bytes=1000), "a check would take about 1 MB, and the limit of a search is 0 MB"),
        (SearchLimits(steps=1), "what hangs together with it: 1 steps did not suffice"),
        (
            SearchLimits(seconds=5, clock=itertools.count(0, 9).__next__),
            "took 5 seconds, the limit of a search",
        ),
    ],
)
def test_what_a_limit_leaves_undecided_is_locked_with_that_reason(limits: SearchLimits, reason: str) -> None:
    groups = _found(limits)
    assert list(groups) == ["fc1", "fc2", "fc3"]
    assert all(reason in str(group.locked) for group in groups.values() if ANSWER not in str(group.locked))
    assert reason in str(groups["fc1"].locked)


def test_what_fits_into_the_limits_is_decided() -> None:
    assert [group.locked is None for group in _found(SearchLimits()).values()] == [True, True, False]


@pytest.mark.slow
def test_what_was_decided_before_the_limit_stays_decided() -> None:
    specimen = ZOO["transformer_encoder"]
    locks = []
    for products in (1e5, 3e5, 1e6, 5e12):
        found = find_groups(specimen.network(), specimen.example(), SearchLimits(products=products))
        locks.append({group.name for group in found if group.locked is None})
    assert locks == sorted(locks, key=len)
    assert all(names <= specimen.free.keys() for names in locks)
    assert locks[-1] == specimen.free.keys()
