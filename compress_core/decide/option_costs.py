"""What every option of every layer costs: each is really made, a few of each kind are really packed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from compress_core.apply.kept_forms import ground_of
from compress_core.apply.model import CompressedLayer, Model
from compress_core.apply.run import compressed_further
from compress_core.decide.joint_excess import joint_excess
from compress_core.decide.joint_options import Degree, by_place, degrees
from compress_core.decide.layer_bytes import Counted, bytes_of_layer, counted, fitted_bytes, packed_alike
from compress_core.decide.options import Cost, Option, PlaceOptions, worth_trying
from compress_core.decide.sensitivity import Sensitivity
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import read_matrix
from compress_core.recipe.values import Recipe, Rule, escaped
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.encoded import EncodedWeight

WEIGHING = N_("what each option would take")


def layer_places(
    parent: Model, found: Sensitivity, split: Split, store: Store
) -> Generator[Progress, None, tuple[PlaceOptions, ...]]:
    """The options of every layer that was scanned; those that another one beats are left out.

    split: on its items, those of the scan, pairs are measured.
    """
    curves = by_place(found.curves, groups=False)
    places: list[PlaceOptions] = []
    done, total = 0, sum(len(degrees(own)) for own in curves.values())
    for name, own in curves.items():
        yield Progress(done, total, WEIGHING)
        tried = degrees(own, joint_excess(parent, own, split, store))
        work = layer_options(parent, name, tried, store)
        places.append((yield from _further(work, done, total)))
        done += len(tried)
    return tuple(places)


def _further(
    work: Generator[Progress, None, PlaceOptions], before: int, total: int
) -> Generator[Progress, None, PlaceOptions]:
    """The work on one layer, its progress counted on from that of the layers before it."""
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            place: PlaceOptions = end.value
            return place
        yield replace(step, done=before + step.done, total=total)


def layer_options(
    parent: Model, name: str, tried: Sequence[Degree], store: Store
) -> Generator[Progress, None, PlaceOptions]:
    """What these degrees make of a layer of the parent; one that cannot be done is left out."""
    ground = ground_of(parent, store)
    whole = _as_it_is(parent, ground, name)
    kinds: defaultdict[tuple[bool, bool], list[_Tried]] = defaultdict(list)
    for degree in tried[1:]:
        try:
            layer = _made(parent, name, degree, store)
        except Refused:
            continue
        encoded = layer.encoded
        kinds[packed_alike(layer)].append(_Tried(degree, encoded, counted(encoded), layer.macs or 0))
    options = [Option((), whole, 0.0)]
    for alike in kinds.values():
        yield Progress(len(options), len(tried), WEIGHING)
        sizes = fitted_bytes([one.counted for one in alike], [one.encoded for one in alike])
        options += [
            Option(one.degree.steps, Cost(float(size), one.counted.nonzero, one.macs), one.degree.kl)
            for one, size in zip(alike, sizes, strict=True)
        ]
    return PlaceOptions(name, worth_trying(options))


@dataclass(frozen=True, eq=False)
class _Tried:
    """A degree with the weights that it left of a layer."""

    degree: Degree
    encoded: tuple[EncodedWeight, ...]
    counted: Counted
    macs: int


def _made(parent: Model, name: str, degree: Degree, store: Store) -> CompressedLayer:
    recipe = Recipe((Rule(escaped(name), degree.steps),))
    return compressed_further(parent, recipe, store).compressed[name]


def _as_it_is(parent: Model, ground: Subject, name: str) -> Cost:
    """What a layer takes that nothing is done to."""
    layer: Layer = ground.layer(name)
    before = parent.compressed.get(name)
    plain = (EncodedWeight(read_matrix(ground.network, layer)),)
    encoded = plain if before is None else before.encoded
    return Cost(float(bytes_of_layer(encoded)), counted(encoded).nonzero, layer.macs or 0)
