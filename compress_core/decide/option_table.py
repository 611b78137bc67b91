"""All options of a network with their costs: what every budget is solved with, and its plain form."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from compress_core.apply.model import Model
from compress_core.decide.chosen_recipe import chosen_model
from compress_core.decide.group_options import group_places
from compress_core.decide.option_costs import layer_places
from compress_core.decide.options import Cost, Option, PlaceOptions, Resource, worth_trying
from compress_core.decide.sensitivity import Sensitivity
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.progress import Progress, result_of
from compress_core.foundation.store import Store, digest
from compress_core.measure.cost.cost import layer_costs, network_macs, zeros_of
from compress_core.recipe.values import Step
from compress_core.subject.split import Split

WEIGHED = "option table"


@dataclass(frozen=True)
class OptionTable:
    """The options of all layers and coupled groups.

    fixed: what everything else takes; original: the model as it is; weights: of its layers as loaded. n: on
    how many items the divergences were measured.
    """

    places: tuple[PlaceOptions, ...]
    fixed: Cost
    original: Cost
    weights: int
    n: int

    @property
    def layers(self) -> tuple[PlaceOptions, ...]:
        """The places that have weights of their own, whose costs add up."""
        return tuple(place for place in self.places if not place.is_group)

    @property
    def groups(self) -> tuple[PlaceOptions, ...]:
        """The coupled groups, which scale the costs of layers."""
        return tuple(place for place in self.places if place.is_group)

    def held(self, locks: Mapping[str, Sequence[Mapping[str, Any]]]) -> OptionTable:
        """The table with some layers or groups held at the option with these steps, as JSON."""
        return replace(self, places=tuple(_held(place, locks) for place in self.places))

    def worth_trying(self, resources: Sequence[Resource], kept: Sequence[Option] = ()) -> OptionTable:
        """The table without options of layers that another beats where only these resources count.

        kept: options that stay in any case, one of each place.
        """
        return replace(
            self,
            places=tuple(
                place
                if place.is_group
                else replace(
                    place, options=_with(worth_trying(place.options, resources), kept[index : index + 1])
                )
                for index, place in enumerate(self.places)
            ),
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "places": [_place_as_json(place) for place in self.places],
            "fixed": _cost_as_json(self.fixed),
            "original": _cost_as_json(self.original),
            "weights": self.weights,
            "n": self.n,
        }

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> OptionTable:
        """What `as_json` made."""
        places = tuple(_place_of_json(place) for place in said["places"])
        return cls(places, Cost(*said["fixed"]), Cost(*said["original"]), said["weights"], said["n"])


def option_table(
    parent: Model, found: Sensitivity, split: Split, store: Store
) -> Generator[Progress, None, OptionTable]:
    """Weigh every option of every place that was scanned; raises Refused where the parent was factored.

    split: the items of the scan, on which joint options are measured. What was weighed once is kept.
    """
    measured = [(point.model, point.kl.value) for curve in found.curves for point in curve.points]
    key = digest(WEIGHED, parent.key, parent.subject.name, split.digest, found.n, json.dumps(measured))
    table = None if store.lasts(key) else (yield from _weighed(parent, found, split, store))

    def text() -> str:
        made = table or result_of(_weighed(parent, found, split, store))
        return json.dumps(made.as_json())

    return OptionTable.of_json(json.loads(store.lasting(WEIGHED, key, text)))


def _weighed(
    parent: Model, found: Sensitivity, split: Split, store: Store
) -> Generator[Progress, None, OptionTable]:
    places = yield from layer_places(parent, found, split, store)
    return table_of(parent, places, group_places(parent, found, store), found.n, store)


def table_of(
    parent: Model, places: Sequence[PlaceOptions], groups: Sequence[PlaceOptions], n: int, store: Store
) -> OptionTable:
    """A table of these options; one real file, of the smallest of them, says what everything else takes."""
    smallest = [min(place.options, key=lambda option: option.cost.packed_bytes) for place in places]
    made = chosen_model(parent, places, smallest, store)
    whole = _cost_of(parent, store)
    fixed = Cost(
        _cost_of(made, store).packed_bytes - sum(option.cost.packed_bytes for option in smallest),
        whole.parameters - sum(place.as_it_is.cost.parameters for place in places),
        whole.macs - sum(place.as_it_is.cost.macs for place in places),
    )
    weights = sum(layer.weights for layer in parent.subject.layers)
    return OptionTable((*places, *groups), fixed, whole, weights, n)


def cost_of(model: Model, resource: Resource, store: Store) -> float:
    """What a whole model takes, as it is written and run."""
    match resource:
        case Resource.BYTES:
            return float(packed_size(model, store).value or 0)
        case Resource.PARAMETERS:
            zeros, weights = zeros_of(layer_costs(model, store))
            return float(weights - zeros.total)
        case Resource.MACS:
            return float(network_macs(model, store).value or 0)


def _cost_of(model: Model, store: Store) -> Cost:
    size, weights, macs = (cost_of(model, resource, store) for resource in Resource)
    return Cost(size, int(weights), int(macs))


def _with(options: tuple[Option, ...], kept: Sequence[Option]) -> tuple[Option, ...]:
    return (*options, *(option for option in kept if option not in options))


def _held(place: PlaceOptions, locks: Mapping[str, Sequence[Mapping[str, Any]]]) -> PlaceOptions:
    if place.key not in locks:
        return place
    wanted = [dict(step) for step in locks[place.key]]
    chosen = [option for option in place.options if [s.as_json() for s in option.steps] == wanted]
    return place.held_at(chosen[0] if chosen else place.as_it_is)


def _cost_as_json(cost: Cost) -> list[float]:
    return [cost.packed_bytes, cost.parameters, cost.macs]


def _place_as_json(place: PlaceOptions) -> dict[str, Any]:
    options = [
        {
            "steps": [step.as_json() for step in option.steps],
            "cost": _cost_as_json(option.cost),
            "kl": option.kl,
            **({"shares": dict(option.shares)} if option.shares else {}),
        }
        for option in place.options
    ]
    return {"place": place.place, "group": place.is_group, "options": options}


def _place_of_json(said: Mapping[str, Any]) -> PlaceOptions:
    make = Step.of_group if said["group"] else Step.of
    options = tuple(
        Option(
            tuple(_step_of_json(step, make) for step in option["steps"]),
            Cost(*option["cost"]),
            option["kl"],
            tuple(option.get("shares", {}).items()),
        )
        for option in said["options"]
    )
    return PlaceOptions(said["place"], options, said["group"])


def _step_of_json(said: Mapping[str, Any], make: Callable[..., Step]) -> Step:
    return make(said["technique"], **{name: value for name, value in said.items() if name != "technique"})
