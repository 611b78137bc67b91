"""What can be cut out of a coupled group, and which share of each layer's weights stays then."""

from __future__ import annotations

from collections.abc import Sequence

from compress_core.apply.base import cutting_of
from compress_core.apply.kept_forms import ground_of
from compress_core.apply.model import Model
from compress_core.decide.joint_options import by_place, finer
from compress_core.decide.options import Cost, Option, PlaceOptions
from compress_core.decide.sensitivity import Sensitivity
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.structure.remaining import remaining
from compress_core.subject.subject import Subject

NOTHING = Cost(0.0, 0, 0)  # a group has no weights of its own: it scales those of its layers


def group_places(parent: Model, found: Sensitivity, store: Store) -> tuple[PlaceOptions, ...]:
    """The options of every coupled group that was scanned, only measured degrees."""
    ground = ground_of(parent, store)
    places: list[PlaceOptions] = []
    for name, (curve,) in by_place(found.curves, groups=True).items():
        options = [Option((), NOTHING, 0.0)]
        for degree in finer(curve, between=0):
            try:
                shares = shares_left(ground, name, degree.steps, store)
            except Refused:
                continue
            options.append(Option(degree.steps, NOTHING, degree.kl, shares))
        places.append(PlaceOptions(name, tuple(options), is_group=True))
    return tuple(places)


def shares_left(
    ground: Subject, group: str, steps: Sequence[Step], store: Store
) -> tuple[tuple[str, float], ...]:
    """(layer, share of its weights that stays) of every layer that a cut of one group makes smaller."""
    cutting = cutting_of(ground, ResolvedRecipe((), ((group, tuple(steps)),)), store)
    left = {layer.name: layer.weights for layer in remaining(ground.layers, cutting.cuts, cutting.dropped)}
    return tuple(
        (layer.name, left.get(layer.name, 0) / max(1, layer.weights))
        for layer in ground.layers
        if left.get(layer.name, 0) != layer.weights
    )
