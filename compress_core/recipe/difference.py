"""What leads from one recipe to another: steps that were added, taken out or changed, layer by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from compress_core.recipe.values import Calibration, Named, ResolvedRecipe, Step
from compress_core.techniques.contract.technique import Stage

Section = Literal["calibration", "prepare", "groups", "layers", "correct"]
_SEVERAL = frozenset({Stage.PREPARE, Stage.INPUTS, Stage.CORRECT})  # stages of which a place may have many
Place = tuple[str, int]


@dataclass(frozen=True)
class Change:
    """One step of one place that differs; None where the recipe has no such step.

    layer: a layer, a factor of one or a group, empty for what concerns the whole network.
    """

    section: Section
    layer: str
    before: Step | Calibration | None
    after: Step | Calibration | None


def changes(before: ResolvedRecipe, after: ResolvedRecipe) -> tuple[Change, ...]:
    """Every change that leads from one recipe to the other, in the order of a recipe; none for equal ones.

    A step answers to the one of the same stage at the same place, of stages that may have several steps to
    the one of the same technique; where such steps change their order, all of the place are taken out and
    put in again.
    """
    found: list[Change] = []
    if before.calibration != after.calibration:
        found.append(Change("calibration", "", before.calibration, after.calibration))
    found += _of_place("prepare", "", before.prepare, after.prepare)
    found += _of_named("groups", before.groups, after.groups)
    found += _of_named("layers", before.layers, after.layers)
    found += _of_place("correct", "", before.correct, after.correct)
    return tuple(found)


def _of_named(section: Section, before: Named, after: Named) -> Iterator[Change]:
    old, new = dict(before), dict(after)
    for layer in dict.fromkeys([*new, *old]):
        yield from _of_place(section, layer, old.get(layer, ()), new.get(layer, ()))


def _of_place(
    section: Section, layer: str, before: tuple[Step, ...], after: tuple[Step, ...]
) -> Iterator[Change]:
    old, new = _by_place(before), _by_place(after)
    if [place for place in old if place in new] != [place for place in new if place in old]:
        yield from (Change(section, layer, step, None) for step in before)
        yield from (Change(section, layer, None, step) for step in after)
        return
    for place in dict.fromkeys([*old, *new]):
        if old.get(place) != new.get(place):
            yield Change(section, layer, old.get(place), new.get(place))


def _by_place(steps: tuple[Step, ...]) -> dict[Place, Step]:
    """Steps by what they answer to, in order; the number tells equal ones apart."""
    seen: Counter[str] = Counter()
    found: dict[Place, Step] = {}
    for step in steps:
        name = f"technique {step.technique}" if step.stage in _SEVERAL else f"stage {step.stage}"
        found[name, seen[name]] = step
        seen[name] += 1
    return found


def knobs_that_differ(before: Step, after: Step) -> Mapping[str, tuple[Any, Any]]:
    """The knobs of two steps of one technique that differ, with both values; defaults are values too."""
    old, new = dict(before.knobs), dict(after.knobs)
    told = [knob for knob in new if knob in before.changed or knob in after.changed]
    return {knob: (old.get(knob), new[knob]) for knob in told if old.get(knob) != new[knob]}
