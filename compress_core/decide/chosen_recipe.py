"""The recipe that a choice stands for, and the model that it makes."""

from __future__ import annotations

from collections.abc import Sequence

from compress_core.apply.model import Model
from compress_core.apply.run import compressed_further
from compress_core.decide.options import Option, PlaceOptions
from compress_core.foundation.store import Store
from compress_core.recipe.values import Recipe, Rule, escaped


def chosen_recipe(places: Sequence[PlaceOptions], options: Sequence[Option]) -> Recipe:
    """A rule for each place that is changed, coupled groups apart."""
    rules = [
        (place.is_group, Rule(escaped(place.place), option.steps))
        for place, option in zip(places, options, strict=True)
        if option.steps
    ]
    return Recipe(
        layers=tuple(rule for is_group, rule in rules if not is_group),
        groups=tuple(rule for is_group, rule in rules if is_group),
    )


def chosen_model(
    parent: Model, places: Sequence[PlaceOptions], options: Sequence[Option], store: Store
) -> Model:
    """The model that a choice makes of its parent; raises Refused."""
    return compressed_further(parent, chosen_recipe(places, options), store)
