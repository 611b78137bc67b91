"""What a hand does to a recipe: set one layer's prune, rank or bit step, and read it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from compress_core.foundation.natural_order import natural
from compress_core.recipe.resolving import resolve
from compress_core.recipe.values import Calibration, ResolvedRecipe, Step
from compress_core.techniques.contract.technique import Stage


def step_for_layer(recipe: ResolvedRecipe, layer: str, stage: Stage) -> Step | None:
    """The step of a layer; of a factored one, that of its first small layer for later stages."""
    if stage is not Stage.FACTOR and recipe.step(layer, Stage.FACTOR) is not None:
        return recipe.step(f"{layer}.0", stage)
    return recipe.step(layer, stage)


def with_step(
    recipe: ResolvedRecipe, layers: Iterable[str], stage: Stage, step: Step | None
) -> ResolvedRecipe:
    """The recipe with one stage of some layers replaced; None takes the step out.

    A factored layer's later by_name are set for all of its small layers.
    """
    by_name = {name: list(steps) for name, steps in recipe.layers}
    for layer in layers:
        if stage is Stage.FACTOR:
            _set_factor(by_name, layer, step)
        elif _is_factored(by_name, layer):
            for name in _parts(by_name, layer):
                _set(by_name, name, stage, step)
        else:
            _set(by_name, layer, stage, step)
    changed = tuple((name, tuple(steps)) for name, steps in by_name.items() if steps)
    return replace(recipe, layers=changed)


def in_order(recipe: ResolvedRecipe, names: Sequence[str]) -> ResolvedRecipe:
    """The same recipe in the order of the model's layers, so that equal recipes have one digest."""
    return resolve(recipe.as_recipe(), names, recipe.groups)


def without_layers(recipe: ResolvedRecipe, layers: Iterable[str]) -> ResolvedRecipe:
    """The recipe with every step of some layers taken out."""
    gone = {name for layer in layers for name in (layer, *parts_of(recipe, layer))}
    return replace(recipe, layers=tuple((name, steps) for name, steps in recipe.layers if name not in gone))


def parts_of(recipe: ResolvedRecipe, layer: str) -> tuple[str, ...]:
    """The names of the small layers that the recipe leaves in the place of one; none where it is whole."""
    return _parts(recipe.by_layer, layer)


def _is_factored(steps: dict[str, list[Step]], layer: str) -> bool:
    return any(s.stage is Stage.FACTOR for s in steps.get(layer, ()))


def _set(steps: dict[str, list[Step]], name: str, stage: Stage, step: Step | None) -> None:
    others = [s for s in steps.get(name, ()) if s.stage is not stage]
    chosen = [] if step is None else [step]
    steps[name] = sorted(others + chosen, key=lambda s: s.stage)


def _parts(steps: Mapping[str, Sequence[Step]], layer: str) -> tuple[str, ...]:
    """The names of a layer's small layers; none where it is not factored."""
    return tuple(f"{layer}.{i}" for s in steps.get(layer, ()) for i in range(_small(s)))


def _small(step: Step) -> int:
    return step.method.parts if step.stage is Stage.FACTOR else 0


def _set_factor(steps: dict[str, list[Step]], layer: str, step: Step | None) -> None:
    """Small layers keep their later steps, new ones get those of the first or of the layer itself."""
    inputs = _inputs_in(steps.get(layer, []))
    before = {name: steps.pop(name, []) for name in _parts(steps, layer)}
    whole = [s for s in steps.get(layer, []) if s.stage not in {Stage.FACTOR, Stage.INPUTS}]
    later = next(iter(before.values()), whole)
    if step is None:
        steps[layer] = [*later, *inputs]
        return
    steps[layer] = [step, *inputs]
    for name in _parts(steps, layer):
        steps[name] = list(before.get(name, later))


def _inputs_in(steps: Iterable[Step]) -> list[Step]:
    return [s for s in steps if s.stage is Stage.INPUTS]


def with_group(recipe: ResolvedRecipe, group: str, step: Step | None) -> ResolvedRecipe:
    """The recipe with the step of one coupled group replaced; None takes it out."""
    others = tuple((name, steps) for name, steps in recipe.groups if name != group)
    mine = () if step is None else ((group, (step,)),)
    return replace(recipe, groups=tuple(sorted(others + mine, key=lambda named: natural(named[0]))))


def with_whole(recipe: ResolvedRecipe, stage: Stage, steps: Iterable[Step]) -> ResolvedRecipe:
    """The recipe with what is prepared, or what is corrected, replaced."""
    assert stage in {Stage.PREPARE, Stage.CORRECT}
    if stage is Stage.PREPARE:
        return replace(recipe, prepare=tuple(steps))
    return replace(recipe, correct=tuple(steps))


def with_calibration(recipe: ResolvedRecipe, items: int | None) -> ResolvedRecipe:
    """The recipe that measures on so many calibration items; None for all there are."""
    return replace(recipe, calibration=Calibration(items=items))


def with_input_steps(recipe: ResolvedRecipe, layers: Iterable[str], steps: Iterable[Step]) -> ResolvedRecipe:
    """The recipe with what happens to the inputs of some layers replaced."""
    by_name = {name: list(found) for name, found in recipe.layers}
    for layer in layers:
        by_name[layer] = [s for s in by_name.get(layer, []) if s.stage is not Stage.INPUTS] + list(steps)
    changed = tuple((name, tuple(found)) for name, found in by_name.items() if found)
    return replace(recipe, layers=changed)
