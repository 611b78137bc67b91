"""Where the knobs of a recipe stand, in the terms of a scan; and the recipe of such positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from compress_core.decide.family import Family
from compress_core.decide.sensitivity import Curve, Sensitivity
from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.recipe.edit import with_group, with_step
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.techniques.contract.technique import Stage

KNOB: Mapping[Family, str] = MappingProxyType(
    {Family.PRUNE: "sparsity", Family.STRUCTURE: "share_removed", Family.RANK: "rank", Family.BITS: "bits"}
)
STAGE: Mapping[Family, Stage] = MappingProxyType(
    {
        Family.PRUNE: Stage.PRUNE,
        Family.STRUCTURE: Stage.GROUPS,
        Family.RANK: Stage.FACTOR,
        Family.BITS: Stage.QUANTIZE,
    }
)
_FAMILY = {stage: family for family, stage in STAGE.items()}
_WHOLE = {Family.RANK, Family.BITS}
_DROPPED = 1.0  # where a block stands that is left out: a step without a knob


@dataclass(frozen=True)
class Position:
    """A knob of one place: the share removed (prune, structure), the rank, or the bits."""

    place: str
    family: Family
    value: float


def curves_by_knob(sensitivity: Sensitivity) -> Mapping[tuple[str, Family], Curve]:
    """The curves of a scan that were measured at some point at least, by place and family."""
    measured = (curve for curve in sensitivity.curves if any(p.kl.value is not None for p in curve.points))
    return MappingProxyType({(curve.place, curve.family): curve for curve in measured})


def positions_at(place: str, steps: Iterable[Step]) -> tuple[Position, ...]:
    """Where the knobs of a place stand after these steps, each of a kind that a scan tries."""
    families = [(_FAMILY[step.stage], step) for step in steps]
    return tuple(
        Position(place, family, float(getattr(step.knobs, KNOB[family], _DROPPED)))
        for family, step in families
    )


def tried_step(curve: Curve) -> Step:
    """A step with which a curve was measured; its other knobs are those of all points."""
    return next(point.steps[0] for point in curve.points if point.kl.value is not None)


def recipe_at(positions: Iterable[Position], sensitivity: Sensitivity) -> ResolvedRecipe:
    """The recipe in which the knobs stand there, with the techniques of the scan.

    Raises Refused for a place and family that was not measured.
    """
    curves = curves_by_knob(sensitivity)
    recipe = ResolvedRecipe(())
    for position in sorted(positions, key=lambda each: STAGE[each.family]):
        curve = curves.get((position.place, position.family))
        if curve is None:
            raise _not_measured(position.place, position.family)
        step = _at(tried_step(curve), position)
        if position.family is Family.STRUCTURE:
            recipe = with_group(recipe, position.place, step)
        else:
            recipe = with_step(recipe, [position.place], STAGE[position.family], step)
    return recipe


def _at(step: Step, position: Position) -> Step:
    if KNOB[position.family] not in type(step.knobs).model_fields:
        return step  # a block is dropped or not
    value = round(position.value) if position.family in _WHOLE else position.value
    knobs = {**step.changed, KNOB[position.family]: value}
    of = Step.of_group if position.family is Family.STRUCTURE else Step.of
    return of(step.technique, **knobs)


def positions_of(recipe: ResolvedRecipe, sensitivity: Sensitivity) -> tuple[Position, ...]:
    """Where the knobs of a recipe stand; raises Refused where the scan says nothing of one of its steps.

    It speaks of steps with its own techniques and other knobs alone, and not of pruned factors, which are
    other weights than those it pruned.
    """
    if recipe.prepare or recipe.correct:
        raise Refused(
            "Preparations and corrections of a whole network were not scanned: no estimate is made."
        )
    curves = curves_by_knob(sensitivity)
    found: list[Position] = []
    for group, steps in recipe.groups:
        found.extend(_position(group, step, curves) for step in steps)
    parts = _parts(recipe)
    for name, steps in recipe.layers:
        for step in steps:
            place = parts.get(name, name)
            if place != name and step.stage is Stage.PRUNE:
                raise Refused(
                    "Factors of {layer} are pruned, which was not scanned: no estimate is made.", layer=place
                )
            found.append(_position(place, step, curves))
    return _once(found)


def _parts(recipe: ResolvedRecipe) -> Mapping[str, str]:
    """Small layer -> the layer that it is a factor of."""
    return {
        f"{name}.{index}": name
        for name, steps in recipe.layers
        for step in steps
        if step.stage is Stage.FACTOR
        for index in range(step.method.parts)
    }


def _position(place: str, step: Step, curves: Mapping[tuple[str, Family], Curve]) -> Position:
    family = _FAMILY.get(step.stage)
    if family is None:
        raise Refused(
            "What happens to the inputs of {layer} was not scanned: no estimate is made.", layer=place
        )
    curve = curves.get((place, family))
    if curve is None:
        raise _not_measured(place, family)
    value = getattr(step.knobs, KNOB[family], _DROPPED)
    if value is None or _others(step, family) != _others(tried_step(curve), family):
        raise Refused(
            "{layer} is treated with {got}, the scan tried {tried}: no estimate is made.",
            layer=place,
            got=_said(step),
            tried=_said(tried_step(curve)),
        )
    return Position(place, family, float(value))


def _others(step: Step, family: Family) -> tuple[str, dict[str, object]]:
    """The technique with all knobs but the one that moves."""
    return step.technique, {name: value for name, value in step.changed.items() if name != KNOB[family]}


def _said(step: Step) -> str:
    knobs = " ".join(f"{name} {value}" for name, value in step.changed.items())
    return f"{step.technique} {knobs}".strip()


def _once(found: Sequence[Position]) -> tuple[Position, ...]:
    """The factors of a layer have the same bits: one position; raises Refused where they differ."""
    by_knob: dict[tuple[str, Family], Position] = {}
    for position in found:
        known = by_knob.setdefault((position.place, position.family), position)
        if known != position:
            raise Refused(
                "The factors of {layer} have different bits, which was not scanned: no estimate is made.",
                layer=position.place,
            )
    return tuple(by_knob.values())


def _not_measured(place: str, family: Family) -> Refused:
    return Refused(
        "The scan has measured nothing of {place} ({family}): scan it first.",
        place=place,
        family=Phrase(family.label),
    )
