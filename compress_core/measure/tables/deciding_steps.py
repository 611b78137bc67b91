"""Which steps of a recipe decide what the weights of a layer become."""

from __future__ import annotations

from compress_core.apply.argument import DependsOn, depends_on
from compress_core.recipe.edit import parts_of
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.selection.select import Selection
from compress_core.techniques.contract.technique import Stage

_OTHER_LAYERS = DependsOn.EARLIER_LAYERS | DependsOn.FACTORED_LAYERS | DependsOn.LATER_LAYERS


def own_knobs(step: Step) -> dict[str, object]:
    """The knobs that the technique itself declares, without those of the selection."""
    return {k: v for k, v in step.knobs if k in step.method.own_knobs}


def deciding_steps(recipe: ResolvedRecipe, layer: str, step: Step, names: list[str]) -> ResolvedRecipe:
    """The steps that decide what a layer's weights become: its own, unless one looks at other layers."""
    own = steps_for_weights(recipe, [layer])
    if any(looks_further(one) for one in (*own.steps, step)):
        return steps_for_weights(recipe, names)
    return own


def looks_further(step: Step) -> bool:
    """Whether what a step does to a layer depends on what is done to others."""
    together = isinstance(step.knobs, Selection) and step.knobs.shares_budget
    return together or bool(depends_on(step.method) & _OTHER_LAYERS)


def steps_for_weights(recipe: ResolvedRecipe, names: list[str]) -> ResolvedRecipe:
    """What the recipe does to the weights of these layers, without all that is done to anything else."""
    there = {place for name in names for place in (name, *parts_of(recipe, name))}
    steps = {
        name: tuple(s for s in found if s.stage is not Stage.INPUTS)
        for name, found in recipe.layers
        if name in there
    }
    return ResolvedRecipe(tuple((name, found) for name, found in steps.items() if found))
