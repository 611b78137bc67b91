"""What the widgets of Tune do to the recipe: each change is tried before it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from compress_core.apply.model import Model
from compress_core.apply.shared_budget import on_their_own, refuse_locked, sharers, shares_budget
from compress_core.foundation.errors import Refused
from compress_core.measure.tables.kept_value import kept_value
from compress_core.recipe.edit import step_for_layer, with_input_steps, with_step, without_layers
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.selection.patterns import NOfM, parse_pattern
from compress_core.techniques.contract.technique import LAYER_STAGES, Stage, technique_named, techniques
from dashboard import engine, group_search, state
from dashboard.text import refusal
from dashboard.tune.held_by_link import refuse_held, with_held_layers
from dashboard.view import View

MAIN_KNOB = {Stage.PRUNE: "sparsity", Stage.FACTOR: "rank", Stage.QUANTIZE: "bits"}
FIRST_CHOICE = {Stage.PRUNE: "magnitude", Stage.FACTOR: "low_rank", Stage.QUANTIZE: "uniform"}

CHOICES = {"energy": "energy", "share_of_bytes": "bytes", "choose": ""}  # knob -> the choice it belongs to


def names_of(stage: Stage) -> list[str]:
    """The techniques of one stage."""
    return [name for name, method in techniques().items() if method.stage is stage]


def set_step(layers: Iterable[str], stage: Stage, step: Step | None, *, by_widget: bool) -> None:
    """Replace one stage of some layers; what cannot be done leaves a notice and changes nothing."""
    keep(with_steps(layers, stage, step), by_widget=by_widget)


def with_steps(layers: Iterable[str], stage: Stage, step: Step | None) -> ResolvedRecipe:
    """The recipe with one stage of some unlocked layers replaced; no other layer loses or gains by it.

    Layers that share a budget with others leave it first.
    """
    free = _unlocked(layers)
    recipe = leaving_budgets(free) if stage is Stage.PRUNE else state.required().recipe
    return with_step(recipe, free, stage, step)


def leaving_budgets(layers: Iterable[str]) -> ResolvedRecipe:
    """The recipe in which some layers share no prune budget with others; all of them keep what they have."""
    return on_their_own(group_search.model_of_view(state.required()), layers)


def keep(recipe: ResolvedRecipe, *, by_widget: bool = False, of_original: bool = False) -> Refused | None:
    """Take over a recipe; one that cannot be done leaves a notice, is given back and changes nothing.

    of_original: of the model as loaded, whatever the recipe of the view stands on.
    """
    view = state.required()
    try:
        refuse_held(view.recipe, recipe)
        state.keep(state.edited(view, recipe, by_widget=by_widget, of_original=of_original))
    except Refused as refused:
        state.notice(refusal(refused))
        state.keep(replace(view, version=view.version + 1))
        return refused
    return None


def take(recipe: ResolvedRecipe) -> None:
    """Take over a recipe that a widget asks for; raises Refused and changes nothing."""
    view = state.required()
    refuse_held(view.recipe, recipe)
    state.keep(state.edited(view, recipe, by_widget=True))


StepChange = Callable[[Step | None], Step | None]


def change_step(layer: str, stage: Stage, change: StepChange) -> None:
    """Change one stage of a layer that is not locked; raises Refused and changes nothing.

    Where a prune step shares its budget with other layers, it is theirs too: what stays one budget is
    changed for all of them, and a layer that goes its own way leaves the others with what they have.
    """
    view = state.required()
    held = with_held_layers(view)
    if layer not in held.locked:
        take(after_change(held, group_search.model_of_view(view), layer, stage, change))


def after_change(view: View, model: Model, layer: str, stage: Stage, change: StepChange) -> ResolvedRecipe:
    """The recipe that this would lead to, which the page need not take over; raises Refused."""
    before = step_for_layer(view.recipe, layer, stage)
    together = (layer,) if before is None else sharers(view.recipe, layer, before, list(model.base.by_name))
    after = change(before)
    if len(together) == 1 or (after is not None and shares_budget(after)):
        refuse_locked(together, view.locked)
        return with_step(view.recipe, together, stage, after)
    alone = on_their_own(model, [layer])
    return with_step(alone, [layer], stage, change(step_for_layer(alone, layer, stage)))


def with_knob(step: Step, name: str, value: Any) -> Step:
    """A step with one knob moved; raises Refused."""
    knobs = consistent({**step.knobs.model_dump(), name: value})
    of = Step.of_group if step.stage is Stage.GROUPS else Step.of
    return of(step.technique, **knobs)


def otherwise(layer: str, step: Step, technique: str) -> Step:
    """Another technique in the place of one that a layer has: what both can say stays, as far as it may.

    Knobs that both have keep their values; where the main one has another name, it starts where it leaves as
    much of the layer. Raises Refused where not even the main one can be kept.
    """
    fields = technique_named(technique).knobs.model_fields
    kept = {k: v for k, v in step.knobs if k in fields and v is not None}
    main = {k: kept[k] for k in {MAIN_KNOB[step.stage]} & kept.keys()}
    as_much = kept_value(group_search.model_of_view(state.required()), layer, step, technique, engine.store())
    try:
        return Step.of(technique, **consistent({**kept, **as_much}))
    except Refused:
        return Step.of(technique, **{**main, **as_much})


def _unlocked(layers: Iterable[str]) -> list[str]:
    locked = with_held_layers(state.required()).locked
    return [layer for layer in layers if layer not in locked]


def consistent(knobs: dict[str, Any]) -> dict[str, Any]:
    """An n:m pattern fixes the sparsity, so that knob is left out; raises Refused for no pattern."""
    if isinstance(parse_pattern(str(knobs.get("pattern", "unstructured"))), NOfM):
        return {k: v for k, v in knobs.items() if k != "sparsity"}
    return knobs


def idle_choices(step: Step) -> set[str]:
    """Knobs that do not matter to how a factorizer comes by its rank."""
    ranks = [value for knob, value in step.knobs if knob in {"rank", "rank_in", "rank_out"}]
    if None not in ranks:
        return set(CHOICES)
    chosen = getattr(step.knobs, "choose", "")
    return {knob for knob, choice in CHOICES.items() if choice and choice != chosen}


def sparsity_of(step: Step | None) -> float:
    """The share that a prune step removes; 0 where there is none or no share is set."""
    return (None if step is None else step.sparsity) or 0.0


def reset(layers: Iterable[str]) -> None:
    """Take every step of some layers out, but of locked ones."""
    free = _unlocked(layers)
    keep(without_layers(leaving_budgets(free), free))


def reset_all() -> None:
    """Take out the steps of all unlocked layers and all that concerns the whole network."""
    view = state.required()
    left = without_layers(view.recipe, _unlocked(state.subject(view).by_name))
    keep(replace(left, groups=(), prepare=(), correct=()))


def same_for(source: str, layers: Iterable[str]) -> None:
    """Give other layers the steps of one layer, as far as they can take them."""
    before = state.required().recipe
    free = _unlocked(layers)
    recipe = leaving_budgets(free)
    for stage in LAYER_STAGES:
        recipe = with_step(recipe, free, stage, step_for_layer(before, source, stage))
    keep(with_input_steps(recipe, free, before.inputs_of(source)))
