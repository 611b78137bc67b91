"""Layers that are pruned together: who shares a budget, and how one of them leaves it."""

from __future__ import annotations

from collections.abc import Container, Iterable

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.recipe.edit import parts_of, step_for_layer, with_step
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.selection.select import BoxMask, Selection
from compress_core.techniques.contract.technique import Stage


def shares_budget(step: Step) -> bool:
    """Whether the layers that have this step are pruned together."""
    return isinstance(step.knobs, Selection) and step.knobs.shares_budget


def refuse_locked(layers: Iterable[str], locked: Container[str]) -> None:
    """Raises Refused where one of the layers that share a budget is locked: the others would move it."""
    for name in layers:
        if name in locked:
            raise Refused(
                "{layer} shares this budget and is locked: unlock it, or give this layer a share of its own.",
                layer=name,
            )


def sharers(recipe: ResolvedRecipe, layer: str, step: Step, names: list[str]) -> tuple[str, ...]:
    """The layers, of all `names` in order, that one prune step counts together with this one, itself too.

    Equal steps share a budget where their scope goes beyond a layer.
    """
    if not shares_budget(step):
        return (layer,)
    return tuple(
        name
        for name in names
        if name == layer
        or any(recipe.step(part, Stage.PRUNE) == step for part in (name, *parts_of(recipe, name)))
    )


def with_budget(recipe: ResolvedRecipe, layer: str, step: Step, names: list[str]) -> ResolvedRecipe:
    """The recipe in which every layer that shares this one's budget has another prune step."""
    before = step_for_layer(recipe, layer, Stage.PRUNE)
    together = (layer,) if before is None else sharers(recipe, layer, before, names)
    return with_step(recipe, together, Stage.PRUNE, step)


def on_their_own(model: Model, layers: Iterable[str]) -> ResolvedRecipe:
    """The recipe with some layers taken out of the budgets that they share with others.

    Every layer keeps what it has: those that leave count their own share from now on, and the share of
    those that stay is what is removed of them today.
    """
    recipe, names, leaving = model.recipe, list(model.base.by_name), set(layers)
    left = recipe
    for name in names:
        step = step_for_layer(recipe, name, Stage.PRUNE)
        if name not in leaving or step is None:
            continue
        others = [other for other in sharers(recipe, name, step, names) if other not in leaving]
        if others:
            alone = {} if parts_of(recipe, name) else {"scope": "layer"}
            mine = _at_share(step, removed_share(model, [name]), **alone)
            theirs = _at_share(step, removed_share(model, others))
            left = with_step(with_step(left, [name], Stage.PRUNE, mine), others, Stage.PRUNE, theirs)
    return left


def removed_share(model: Model, layers: Iterable[str]) -> float:
    """The share of what is removed together (weights, or boxes of a pattern) that went from some layers."""
    removed = total = 0
    for encoded in (encoded for name in layers for encoded in model.compressed[name].encoded):
        match encoded.mask:
            case BoxMask(boxes=boxes):
                total += boxes.scores.values.numel()
                removed += boxes.scores.values.numel() - boxes.count
            case mask:
                total += encoded.weight.numel()
                removed += 0 if mask is None else encoded.weight.numel() - mask.count
    return removed / max(1, total)


def _at_share(step: Step, share: float, **knobs: object) -> Step:
    return Step.of(step.technique, **{**step.changed, "sparsity": share, **knobs})
