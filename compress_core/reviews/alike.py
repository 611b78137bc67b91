"""How alike the maps of two models are on some items, between what is chance and what is possible."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.foundation.texts import N_
from compress_core.measure.explain.alike_maps import UNIT, median_number
from compress_core.measure.explain.asked_place import asked_places
from compress_core.measure.explain.attribution import method_named
from compress_core.measure.explain.explanation import Explanation, explain
from compress_core.numerics.arrays import Floats
from compress_core.numerics.median_interval import of_median
from compress_core.subject.split import Split

BOTH_HOLD = 0.975  # of each of two intervals, so that both hold with 95 %
NO_ROOM = N_("Tiny noise alone makes the maps as unlike as chance, so nothing can be told from them.")
NO_CLASS_TO_CHANGE = N_("The answers are no classes, so that no item can change its own.")
NO_FLIPS = N_("No item changed its predicted class.")


@dataclass(frozen=True)
class Alikeness:
    """Rank correlations of maps before and after, their ceiling and floor, and where they stand between.

    position: 0 at the random floor, 1 at the noise ceiling. drawn_from: of how many items these were drawn.
    """

    similarity: Number
    ceiling: Number
    floor: Number
    position: Number
    drawn_from: int


def alikeness(
    model: Model, split: Split, among: NDArray[np.int64], wanted: int, method: str, seed: int
) -> Alikeness:
    """Compare the maps of items drawn from among [n] places of a split; missing where it cannot be done."""
    if not among.size:
        return no_alikeness(NO_FLIPS, 0)
    order = torch.randperm(among.size, generator=torch.Generator().manual_seed(seed))[:wanted]
    chosen = np.sort(among[order.numpy()])
    subject = model.subject
    places = asked_places(subject, split)
    try:
        work = explain(
            subject.network,
            model.network(),
            split.inputs[torch.from_numpy(chosen)],
            method_named(method),
            subject.input.baseline,
            seed=seed,
            at=None if places is None else places[torch.from_numpy(chosen)],
            answers=subject.answers,
        )
        return _placed(result_of(work), among.size)
    except Refused as refused:
        return no_alikeness(str(refused), among.size)


def no_alikeness(why: str, drawn_from: int) -> Alikeness:
    """Not measured, and why."""
    missing = Number.missing(UNIT, why, 0)
    return Alikeness(missing, missing, missing, Number.missing("share", why, 0), drawn_from)


def _placed(found: Explanation, drawn_from: int) -> Alikeness:
    similar, noise = (_measured(frame["spearman"].to_numpy()) for frame in (found.items, found.noise))
    chance = found.chance("spearman")
    floor = Number(chance.median, UNIT, "measured", chance.low, chance.high, chance.n)
    if not np.isfinite(chance.median):
        floor = Number.missing(UNIT, N_("No map of these items could be compared."), chance.n)
    numbers = [median_number(values, len(found.items)) for values in (similar, noise)]
    return Alikeness(numbers[0], numbers[1], floor, position_of(similar, noise, floor), drawn_from)


def _measured(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def position_of(similar: Floats, noise: Floats, floor: Number) -> Number:
    """Where the median of similarities [n] stands between a floor (0) and the median under noise [m] (1).

    The interval is that of all corners of three: those of both medians hold together with 95 %, the floor is
    somewhere in the range of its draws.
    """
    if not similar.size or not noise.size or floor.value is None or floor.low is None or floor.high is None:
        return Number.missing("share", N_("No map of these items could be compared."), similar.size)
    middle = float(np.median(similar)), floor.value, float(np.median(noise))
    if middle[2] <= middle[1]:
        return Number.missing("share", NO_ROOM, similar.size)
    value, bounds = _between(*middle), [of_median(values, BOTH_HOLD) for values in (similar, noise)]
    if bounds[0] is None or bounds[1] is None:
        why = N_("Too few items for an interval.")
        return Number(value, "share", "measured", n=similar.size, no_interval=why)
    corners = list(product(_ends(bounds[0]), (floor.low, floor.high), _ends(bounds[1])))
    if any(high <= low for _, low, high in corners):
        return Number(value, "share", "measured", n=similar.size, no_interval=NO_ROOM)
    places = [_between(*corner) for corner in corners]
    return Number(value, "share", "measured", min(places), max(places), similar.size)


def _ends(bounds: Iterable[Floats]) -> tuple[float, ...]:
    return tuple(float(end) for end in bounds)


def _between(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low)
