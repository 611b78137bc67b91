"""What a scan says of each layer, for the layer table: the family that hurts most at its middle degree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from compress_core.decide.scan_words import by_hurt, level_of, middle_of
from dashboard.figures.sensitivity_curves import degree_said
from dashboard.known_scan import curves_known
from dashboard.layer_list.layer_row import FixedCell
from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.decide.sensitivity import ScanPoint
    from compress_core.subject.subject import Subject
    from dashboard.view import View


def sensitivity_cells(view: View, subject: Subject) -> dict[str, FixedCell]:
    """A cell for each layer or group that was measured, by name; empty where no scan was made."""
    found: defaultdict[str, list[ScanPoint]] = defaultdict(list)
    for curve in by_hurt(curves_known(view, subject)):
        point = middle_of(curve)
        if point is not None:
            found[curve.place].append(point)
    return {place: _cell(points) for place, points in found.items()}


def _cell(points: Sequence[ScanPoint]) -> FixedCell:
    """points: from the one that hurts most."""
    worst = points[0].kl.value
    assert worst is not None, "only what was measured comes here"
    said = (
        _("{family} at {degree}: {kl:.2g} nat, N = {n:,}.").format(
            family=_(point.family.label), degree=degree_said(point), kl=point.kl.value, n=point.kl.n
        )
        for point in points
    )
    return FixedCell(_(level_of(worst).label), worst, "measured", "\n".join(said))
