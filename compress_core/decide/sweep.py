"""What breaks first: one knob turned over all layers at once, and every measure looked at on the way."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch

from compress_core.apply.model import Model
from compress_core.apply.run import compressed_further
from compress_core.decide.swept import DIRECTIONS, Sweep, SweepPlan, SweptPoint, SweptSoFar, looked_at
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import predict, predicted_once
from compress_core.measure.behavior.grown_error import error_growth_of
from compress_core.measure.behavior.mean_number import ALONE
from compress_core.measure.behavior.metric import NO_LABELS
from compress_core.measure.explain.alike_maps import UNIT, OriginalMaps, original_maps
from compress_core.measure.explain.asked_place import asked_places
from compress_core.measure.explain.attribution import method_named
from compress_core.network.layers.kinds import Layer
from compress_core.numerics.intervals import wilson
from compress_core.recipe.values import ResolvedRecipe

SIMILARITY = "similarity"
NOT_EXPLAINED = N_("Attribution maps were not asked for.")


def sweep(parent: Model, plan: SweepPlan, seed: int, store: Store) -> Generator[Progress, None, Sweep]:
    """Turn one knob over all layers on top of a model and measure each place; yields how far it is.

    Raises Refused where no layer can be treated, or a method cannot explain the model.
    """
    total = len(plan.values) + 2
    yield Progress(0, total, N_("which layers can be treated"))
    layers, left_out = _treatable(parent, plan, store)
    split = parent.subject.split(plan.split)
    before = predict(Model.original(parent.subject), split, store)
    yield Progress(1, total, N_("before the knob is turned"))
    maps = _maps(parent, plan, seed)
    start = _start(parent, Comparison(before, predict(parent, split, store)), maps, seed)
    points = [start]
    for place, value in enumerate(plan.values):
        yield SweptSoFar(
            2 + place, total, N_("compressing and measuring"), Sweep(plan, tuple(points), left_out, before.n)
        )
        try:
            model = compressed_further(parent, _recipe(plan, value, layers), store)
            compared = Comparison(before, predicted_once(model, split, store))
            points.append(_point(model, value, compared, maps, start))
        except Refused as refused:
            points.append(SweptPoint(value, {}, reason=refused))
    return Sweep(plan, tuple(points), left_out, before.n)


def _recipe(plan: SweepPlan, value: float, layers: tuple[Layer, ...]) -> ResolvedRecipe:
    return ResolvedRecipe(tuple((layer.name, (plan.step(value, layer),)) for layer in layers))


def _treatable(
    parent: Model, plan: SweepPlan, store: Store
) -> tuple[tuple[Layer, ...], tuple[tuple[str, Refused], ...]]:
    """The layers that bear the mildest place alone; the others with the reason. Raises Refused for none."""
    free, left_out = [], []
    for layer in parent.base.layers:
        if layer.name in plan.locked or layer.name in parent.subject.locked:
            continue
        try:
            compressed_further(parent, _recipe(plan, plan.values[0], (layer,)), store)
            free.append(layer)
        except Refused as refused:
            left_out.append((layer.name, refused))
    if not free:
        raise (
            left_out[0][1]
            if left_out
            else Refused("Every layer is locked: unlock one that may be compressed.")
        )
    return tuple(free), tuple(left_out)


def _maps(parent: Model, plan: SweepPlan, seed: int) -> OriginalMaps | None:
    if not plan.method:
        return None
    subject, split = parent.subject, parent.subject.split(plan.split)
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    chosen = order[: plan.items].sort().values
    method = method_named(plan.method)
    places = asked_places(subject, split)
    at = None if places is None else places[chosen]
    return original_maps(
        subject.network,
        split.inputs[chosen],
        method,
        subject.input.baseline,
        at=at,
        answers=subject.answers,
    )


def _start(parent: Model, compared: Comparison, maps: OriginalMaps | None, seed: int) -> SweptPoint:
    """Before the knob is turned; the original's own maps are as alike as noise lets them be."""
    if maps is None:
        alike = Number.missing(UNIT, NOT_EXPLAINED)
    elif parent.is_changed:
        alike = maps.alike(parent.network())
    else:
        alike = maps.noise_ceiling(parent.subject.network, seed)
    return SweptPoint(None, {**_numbers(compared), SIMILARITY: alike}, file_bytes=parent.file_bytes)


def _point(
    model: Model, value: float, compared: Comparison, maps: OriginalMaps | None, start: SweptPoint
) -> SweptPoint:
    alike = Number.missing(UNIT, NOT_EXPLAINED) if maps is None else maps.alike(model.network())
    numbers = {**_numbers(compared), SIMILARITY: alike}
    worse = {name for name in numbers if _is_worse(name, numbers[name], start.numbers[name])}
    return SweptPoint(value, numbers, frozenset(worse), model.file_bytes)


def _is_worse(name: str, now: Number, first: Number) -> bool:
    """Whether the interval of a number lies on the worse side of what it was at first."""
    if first.value is None or now.low is None or now.high is None:
        return False
    return now.high < first.value if DIRECTIONS[name] == "higher" else now.low > first.value


def _numbers(compared: Comparison) -> dict[str, Number]:
    found, wanted = compared.numbers, looked_at(compared.before.kind.task)
    made = {"worst_class": worst_class, "error_growth": _error_growth}
    return {
        name: made[name](compared) if name in made else found[name] for name in wanted if name != SIMILARITY
    }


def _error_growth(compared: Comparison) -> Number:
    return error_growth_of(compared.before, compared.after)


def worst_class(compared: Comparison) -> Number:
    """The lowest accuracy of any class after; Wilson intervals of all classes that hold together.

    Places of one sequence are not independent, so there is no interval of theirs.
    """
    if not compared.has_labels:
        return Number.missing("share", NO_LABELS, compared.after.n)
    classes = compared.per_class()
    shares = classes["accuracy_after"].to_numpy(np.float64)
    lowest = int(shares.argmin())
    value, n = float(shares[lowest]), int(classes["n"].to_numpy()[lowest])
    if not compared.classes_are_independent:
        return Number(value, "share", "measured", n=n, no_interval=ALONE)
    bounds = wilson(round(value * n), n, 1 - 0.05 / len(classes))
    return Number(value, "share", "measured", float(bounds.low), float(bounds.high), n)
