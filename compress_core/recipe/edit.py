"""What a hand does to a recipe: set one layer's prune, rank or bit step, and read it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from compress_core.recipe import Resolved, Setting, resolve
from compress_core.techniques.contract.technique import Stage


def step_of(recipe: Resolved, layer: str, stage: Stage) -> Setting | None:
    """The step of a layer; of a factored one, that of its first small layer for later stages."""
    if stage is not Stage.FACTOR and recipe.step(layer, Stage.FACTOR) is not None:
        return recipe.step(f"{layer}.0", stage)
    return recipe.step(layer, stage)


def with_step(recipe: Resolved, layers: Iterable[str], stage: Stage, setting: Setting | None) -> Resolved:
    """The recipe with one stage of some layers replaced; None takes the step out.

    A factored layer's later steps are set for all of its small layers.
    """
    steps = {name: list(settings) for name, settings in recipe.layers}
    for layer in layers:
        if stage is Stage.FACTOR:
            _set_factor(steps, layer, setting)
        elif _is_factored(steps, layer):
            for name in _parts(steps, layer):
                _set(steps, name, stage, setting)
        else:
            _set(steps, layer, stage, setting)
    changed = tuple((name, tuple(settings)) for name, settings in steps.items() if settings)
    return replace(recipe, layers=changed)


def in_order(recipe: Resolved, names: Sequence[str]) -> Resolved:
    """The same recipe in the order of the model's layers, so that equal recipes have one digest."""
    return resolve(recipe.as_recipe(), names, recipe.groups)


def without_layers(recipe: Resolved, layers: Iterable[str]) -> Resolved:
    """The recipe with every step of some layers taken out."""
    gone = {name for layer in layers for name in (layer, *parts_of(recipe, layer))}
    return replace(recipe, layers=tuple((name, steps) for name, steps in recipe.layers if name not in gone))


def parts_of(recipe: Resolved, layer: str) -> tuple[str, ...]:
    """The names of the small layers that the recipe leaves in the place of one; none where it is whole."""
    return _parts(recipe.by_layer, layer)


def _is_factored(steps: dict[str, list[Setting]], layer: str) -> bool:
    return any(s.stage is Stage.FACTOR for s in steps.get(layer, ()))


def _set(steps: dict[str, list[Setting]], name: str, stage: Stage, setting: Setting | None) -> None:
    others = [s for s in steps.get(name, ()) if s.stage is not stage]
    chosen = [] if setting is None else [setting]
    steps[name] = sorted(others + chosen, key=lambda s: s.stage)


def _parts(steps: Mapping[str, Sequence[Setting]], layer: str) -> tuple[str, ...]:
    """The names of a layer's small layers; none where it is not factored."""
    return tuple(f"{layer}.{i}" for s in steps.get(layer, ()) for i in range(_small(s)))


def _small(setting: Setting) -> int:
    return setting.method.parts if setting.stage is Stage.FACTOR else 0


def _set_factor(steps: dict[str, list[Setting]], layer: str, setting: Setting | None) -> None:
    """Small layers keep their later steps, new ones get those of the first or of the layer itself."""
    inputs = _inputs_in(steps.get(layer, []))
    before = {name: steps.pop(name, []) for name in _parts(steps, layer)}
    whole = [s for s in steps.get(layer, []) if s.stage not in {Stage.FACTOR, Stage.INPUTS}]
    later = next(iter(before.values()), whole)
    if setting is None:
        steps[layer] = [*later, *inputs]
        return
    steps[layer] = [setting, *inputs]
    for name in _parts(steps, layer):
        steps[name] = list(before.get(name, later))


def _inputs_in(settings: Iterable[Setting]) -> list[Setting]:
    return [s for s in settings if s.stage is Stage.INPUTS]


def with_group(recipe: Resolved, group: str, setting: Setting | None) -> Resolved:
    """The recipe with the step of one coupled group replaced; None takes it out."""
    others = tuple((name, steps) for name, steps in recipe.groups if name != group)
    mine = () if setting is None else ((group, (setting,)),)
    return replace(recipe, groups=tuple(sorted(others + mine)))


def with_whole(recipe: Resolved, stage: Stage, settings: Iterable[Setting]) -> Resolved:
    """The recipe with what is prepared, or what is corrected, replaced."""
    assert stage in {Stage.PREPARE, Stage.CORRECT}
    if stage is Stage.PREPARE:
        return replace(recipe, prepare=tuple(settings))
    return replace(recipe, correct=tuple(settings))


def with_inputs(recipe: Resolved, layers: Iterable[str], settings: Iterable[Setting]) -> Resolved:
    """The recipe with what happens to the inputs of some layers replaced."""
    steps = {name: list(found) for name, found in recipe.layers}
    for layer in layers:
        steps[layer] = [s for s in steps.get(layer, []) if s.stage is not Stage.INPUTS] + list(settings)
    changed = tuple((name, tuple(found)) for name, found in steps.items() if found)
    return replace(recipe, layers=changed)
