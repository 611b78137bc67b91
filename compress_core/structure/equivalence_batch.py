"""Which groups may really lose units: all tried at once, since one forward pass can prove fifty of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from compress_core.foundation.texts import N_
from compress_core.structure.equivalence import EquivalenceCheck
from compress_core.structure.group import Group, GroupKind
from compress_core.structure.shrink import ChannelCut

_SEED = 5
UnitCounts = tuple[Callable[[int], int], ...]
ALL_COUNTS: UnitCounts = (lambda n: n - 1, lambda n: max(1, n // 2), lambda _: 1)
WITHOUT_HALF: UnitCounts = (ALL_COUNTS[0], ALL_COUNTS[2])


def checked_groups(check: EquivalenceCheck, groups: Sequence[Group]) -> list[str | None]:
    """Why each group cannot lose units, None where it can.

    All lose some at once: one unit each, half of them at random, all but one. Where that fails, each half
    of the groups is tried by itself, down to the single group that is to blame.
    """
    if not groups:
        return []
    failed = joint_failure(check, groups)
    if failed is None or len(groups) == 1:
        return [failed] * len(groups)
    middle = len(groups) // 2
    return checked_groups(check, groups[:middle]) + checked_groups(check, groups[middle:])


def together(check: EquivalenceCheck, groups: Sequence[Group]) -> list[Group]:
    """Groups that hold apart must hold together: those that break what came before are locked."""
    free = [group for group in groups if group.locked is None]
    kept = _added(check, [], free) if free else []
    reason = N_("it can lose channels alone, but not together with the groups before it")
    return [g if g in kept or g.locked is not None else replace(g, locked=reason) for g in groups]


def _added(check: EquivalenceCheck, kept: list[Group], groups: Sequence[Group]) -> list[Group]:
    """Those kept with as many of the groups as hold with them, the earlier first."""
    if joint_failure(check, [*kept, *groups]) is None:
        return [*kept, *groups]
    if len(groups) == 1:
        return kept
    middle = len(groups) // 2
    return _added(check, _added(check, kept, groups[:middle]), groups[middle:])


def joint_failure(
    check: EquivalenceCheck, groups: Sequence[Group], counts: UnitCounts = ALL_COUNTS
) -> str | None:
    """Why groups cannot lose units all at once; None where they can. counts: how many units are to stay."""
    for count in counts if any(group.kind is not GroupKind.BLOCK for group in groups) else counts[:1]:
        failed = check.failure(*_lost(groups, count))
        if failed is not None:
            return failed
    return None


def half_fails(check: EquivalenceCheck, groups: Sequence[Group]) -> str | None:
    """Why groups cannot lose half of their units all at once; None where they can."""
    return check.failure(*_lost(groups, ALL_COUNTS[1]))


def gives_answers(check: EquivalenceCheck, group: Group) -> bool:
    """Whether the network answers in another shape when a group loses one unit, in any precision."""
    return check.answers_otherwise(_lost([group], ALL_COUNTS[0])[0])


def _lost(groups: Sequence[Group], count: Callable[[int], int]) -> tuple[list[ChannelCut], list[str]]:
    """What goes when each group keeps that many of its units, chosen at random; a block goes whole."""
    generator = torch.Generator().manual_seed(_SEED)
    cuts: list[ChannelCut] = []
    dropped: list[str] = []
    for group in groups:
        order = torch.randperm(group.units, generator=generator)
        kept = order[: 0 if group.kind is GroupKind.BLOCK else count(group.units)]
        cuts += group.cuts(kept)
        dropped += group.dropped(kept)
    return cuts, dropped
