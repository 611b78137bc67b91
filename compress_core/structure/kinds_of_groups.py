"""Groups that are built alike: one of them is tried first, and all of them together afterwards."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from torch import nn

from compress_core.network.layers.side import Side
from compress_core.structure.group import Group

_Tried = Callable[[Sequence[Group]], Mapping[Group, str | None]]


def signature_of(network: nn.Module, group: Group) -> str:
    """Equal for groups of as many units whose members are built alike and stand alike."""
    members = (f"{built(network, m.module, m.side)} {tuple(m.indices.shape)}" for m in group.members)
    return f"{group.units} {'; '.join(members)}"


def built(network: nn.Module, name: str, side: Side) -> str:
    """What a module is and where it stands, without the numbers of repeated blocks."""
    owner = network.get_submodule(name.rpartition(".")[0] if side.is_of_owner else name)
    return f"{re.sub(r'[0-9]+', '#', name)} {side} {type(owner).__name__} {owner.extra_repr()}"


def by_kinds(network: nn.Module, groups: Sequence[Group], tried: _Tried) -> dict[Group, str | None]:
    """What is likely true of groups: where the first and the last of a kind agree, the others are like them.

    It proves nothing for the others: who relies on it tries all that it calls free at once.
    """
    kinds: defaultdict[str, list[Group]] = defaultdict(list)
    for group in groups:
        kinds[signature_of(network, group)].append(group)
    ends = dict.fromkeys(alike[at] for alike in kinds.values() for at in (0, -1))
    found = dict(tried(list(ends)))
    differing = []
    for alike in kinds.values():
        if found[alike[0]] == found[alike[-1]]:
            found |= dict.fromkeys(alike, found[alike[0]])
        else:
            differing += alike[1:-1]
    return found | dict(tried(differing))
