"""How many boxes of each layer go at a share: a selection's counts without its masks."""

from __future__ import annotations

from collections.abc import Sequence

from compress_core.selection.budgets import erdos_renyi
from compress_core.selection.patterns import BoxGrid
from compress_core.selection.ranking import Ranking, RoughRanking
from compress_core.selection.select import removed_boxes


def removed_together(ranking: Ranking | RoughRanking, cuts: Sequence[BoxGrid], share: float) -> list[int]:
    """All layers on one scale: so many boxes of each go [layers]; of equals the later ones."""
    place = ranking.place(removed_boxes(share, ranking.count, cuts))
    left, removed = place.ties_kept, []
    for size, above, equal in zip(ranking.sizes, place.above, place.equal, strict=True):
        stay = min(left, equal)
        left -= stay
        removed.append(size - above - stay)
    return removed


def removed_by_size(sizes: Sequence[int], cuts: Sequence[BoxGrid], share: float) -> list[int]:
    """Each layer its part of the budget, as erk has it [layers]."""
    total = sum(sizes)
    budget = total - removed_boxes(share, total, cuts)
    least = max((cut.stays for cut in cuts), default=0)
    kept = erdos_renyi([cut.shape for cut in cuts], sizes, budget, least)
    return [size - count for size, count in zip(sizes, kept, strict=True)]
