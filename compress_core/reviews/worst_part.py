"""The part of the items that lost most accuracy: a class, or a subgroup."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.number import Number
from compress_core.measure.behavior.mean_number import ALONE
from compress_core.measure.behavior.metric import NO_LABELS
from compress_core.numerics.arrays import Floats
from compress_core.numerics.intervals import tango_of_each
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.late_labels import disagreements


def worst_change(evidence: Evidence, part: NDArray[np.integer] | None) -> Number:
    """The lowest accuracy change of all parts in points; part [N]: which one each item belongs to.

    The lower end is the lowest of the parts' own 95 % intervals: the part that is truly worst lies below it
    in 2.5 % at most, so no correction is needed where every part must clear a limit. The upper end is the
    lowest of intervals that hold together, since any part may have been the unlucky one.

    Berger 1982, Technometrics 24, 295-300; Bonferroni.
    """
    if evidence.comparison.before.in_parts:
        return Number.missing("points", ALONE, len(evidence.split))
    right = _right(evidence)
    if part is None or right is None:
        return Number.missing("points", NO_LABELS, len(evidence.split))
    return worst_of(part_counts(part, *right))


def worst_label_change(evidence: Evidence) -> Number:
    """The same of labels, each of which is one decision of every item; n counts the items.

    Neither end needs the labels of one item to be independent of one another.
    """
    before, after = evidence.comparison.before, evidence.comparison.after
    if before.correct is None or after.correct is None:
        return Number.missing("points", NO_LABELS, len(evidence.split))
    assert after.part_of is not None, "several labels of each item"
    found = worst_of(part_counts(after.part_of, before.correct, after.correct))
    return replace(found, n=len(evidence.split))


def _right(evidence: Evidence) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Whether both models are right on each item [N]; None without labels.

    Of labels that came later there are only those of the items on which the two disagree. On all others both
    count as wrong, which changes no difference.
    """
    before, after = evidence.comparison.before, evidence.comparison.after
    if before.correct is not None and after.correct is not None:
        return before.correct, after.correct
    if evidence.labels is None:
        return None
    items = disagreements(evidence.comparison)
    found = np.zeros((2, len(evidence.split)), dtype=np.bool_)
    for row, predictions in zip(found, (before, after), strict=True):
        row[items] = predictions.predicted[items] == evidence.labels
    return found[0], found[1]


def worst_of(counts: PartCounts) -> Number:
    """The same from the counts of all parts."""
    alone = [float(tango_of_each(b, c, n).low) for b, c, n in counts.rows()]
    together = tango_of_each(counts.gained, counts.lost, counts.n).high
    change = float((100 * (counts.gained - counts.lost) / counts.n).min())
    low, high = 100 * min(alone), 100 * float(together.min())
    return Number(change, "points", "measured", min(low, change), max(high, change), int(counts.n.sum()))


@dataclass(frozen=True, eq=False)
class PartCounts:
    """For each part that has items [parts]: how many, and how many of them turned right and wrong."""

    n: Floats
    gained: Floats
    lost: Floats

    def rows(self) -> list[tuple[float, float, float]]:
        """(gained, lost, n) of each part."""
        return list(zip(self.gained.tolist(), self.lost.tolist(), self.n.tolist(), strict=True))


def part_counts(part: NDArray[np.integer], before: NDArray[np.bool_], after: NDArray[np.bool_]) -> PartCounts:
    """Counts by part; part, before, after [N]: the part of each item, and whether it is right."""
    n = np.bincount(part)
    there = n > 0
    won, gone = (np.bincount(part[which], minlength=n.size) for which in (after & ~before, before & ~after))
    return PartCounts(*(counts[there].astype(np.float64) for counts in (n, won, gone)))
