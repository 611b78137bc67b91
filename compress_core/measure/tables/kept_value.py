"""Another technique in the place of one, set so that it begins with what was there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from annotated_types import Ge, Le
from torch import Tensor

from compress_core.apply.model import Model
from compress_core.foundation.knobs import FINEST
from compress_core.foundation.store import Store
from compress_core.measure.tables.prune_rows import before_pruning
from compress_core.recipe.values import Step
from compress_core.techniques.contract.results import Pruned
from compress_core.techniques.contract.technique import Stage, Technique, technique_named

RANKS = ("rank", "rank_in", "rank_out")
SHARE = "sparsity"


def kept_value(
    model: Model, layer: str, before: Step, technique: str, store: Store
) -> Mapping[str, int | float]:
    """Knobs of another technique at which it leaves as much of a layer as its step left in this model.

    The share removed, or the narrowest rank. Empty where both techniques have the knob that says so, where
    nothing was set, or where the other one has no knob that decides it.
    """
    compressed, method = model.compressed.get(layer), technique_named(technique)
    if compressed is None or method.stage is not before.stage:
        return {}
    match before.stage:
        case Stage.PRUNE:
            if SHARE in before.method.knobs.model_fields and SHARE in method.knobs.model_fields:
                return {}
            weights = sum(one.weight.numel() for one in compressed.encoded)
            removed = weights - sum(one.kept_count for one in compressed.encoded)
            if SHARE in method.knobs.model_fields:
                return {SHARE: round(removed / max(1, weights), 6)}
            return _that_removes(removed, method, before_pruning(model, layer, store))
        case Stage.FACTOR:
            return _ranks(before, method, compressed.rank, compressed.layer.kernel_shape)
        case _:
            return {}


def _ranks(
    before: Step, method: Technique, narrowest: int | None, kernel: tuple[int, ...]
) -> Mapping[str, int | float]:
    there, wanted = ([k for k in RANKS if k in m.knobs.model_fields] for m in (before.method, method))
    is_set = any(getattr(before.knobs, knob) is not None for knob in there)
    if there == wanted or narrowest is None or not is_set:
        return {}
    most = {"rank_in": kernel[1], "rank_out": kernel[0]}
    return {knob: min(narrowest, most.get(knob, narrowest)) for knob in wanted}


def _that_removes(removed: int, method: Technique, weights: list[Tensor]) -> Mapping[str, int | float]:
    """The place of the one bounded knob of a pruner at which so many weights go, as nearly as it may.

    Nothing for a pruner that reads more than the weight: it would have to be run to find out.
    """
    knobs = {name: bounds for name in method.own_knobs if (bounds := _bounds(method, name)) is not None}
    if method.result is not Pruned or method.needs != ("weight",) or len(knobs) != 1:
        return {}
    ((knob, (least, most)),) = knobs.items()

    def at(place: int) -> dict[str, int | float]:
        return {knob: round(place * FINEST, 6)}

    def gone(place: int) -> int:
        return sum(int(torch.count_nonzero(~method.function(w, **at(place)).mask)) for w in weights)

    return at(_nearest(gone, removed, round(least / FINEST), round(most / FINEST)))


def _nearest(gone: Callable[[int], int], wanted: int, least: int, most: int) -> int:
    """The first place from which on at least so many go, or the one before it where that is nearer."""
    first = least
    while first < most:
        middle = (first + most) // 2
        first, most = (first, middle) if gone(middle) >= wanted else (middle + 1, most)
    return first - 1 if first > least and wanted - gone(first - 1) < gone(first) - wanted else first


def _bounds(method: Technique, knob: str) -> tuple[float, float] | None:
    field = method.knobs.model_fields[knob]
    low = [m.ge for m in field.metadata if isinstance(m, Ge)]
    high = [m.le for m in field.metadata if isinstance(m, Le)]
    if field.annotation is not float or not (low and high):
        return None
    return float(low[0]), float(high[0])  # type: ignore[arg-type]  # of a real knob, so are its bounds
