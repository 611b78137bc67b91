"""What the layers of a shared prune budget lose now, and would lose if one of them left it."""

from __future__ import annotations

from dataclasses import dataclass

from compress_core.apply.lineage import with_recipe
from compress_core.apply.model import Model
from compress_core.apply.run import model_of
from compress_core.apply.shared_budget import on_their_own, removed_share, sharers
from compress_core.foundation.store import Store
from compress_core.recipe.edit import in_order, step_for_layer, with_step
from compress_core.recipe.values import ResolvedRecipe
from compress_core.techniques.contract.technique import Stage


@dataclass(frozen=True)
class BudgetRow:
    """The share removed of one layer of a budget, each counted from a model that was made.

    now: as the recipe is; alone: once the layer that leaves counts a share of its own; without: were that
    layer kept whole and the share of the budget counted over the others.
    """

    layer: str
    now: float
    alone: float
    without: float


def budget_rows(model: Model, leaving: str, store: Store) -> tuple[BudgetRow, ...]:
    """A row for each layer that shares the budget of one, itself included; none where it is not pruned.

    Raises Refused where a model without it cannot be made.
    """
    recipe = model.recipe
    step = step_for_layer(recipe, leaving, Stage.PRUNE)
    if step is None:
        return ()
    alone = _with(model, on_their_own(model, [leaving]), store)
    without = _with(model, with_step(recipe, [leaving], Stage.PRUNE, None), store)
    return tuple(
        BudgetRow(name, *(_removed(one, name) for one in (model, alone, without)))
        for name in sharers(recipe, leaving, step, list(model.base.by_name))
    )


def _with(model: Model, recipe: ResolvedRecipe, store: Store) -> Model:
    lineage = with_recipe(model.lineage, in_order(recipe, list(model.subject.by_name)))
    return model_of(model.subject, lineage, store)


def _removed(model: Model, layer: str) -> float:
    """Nothing of a layer that has no step any more."""
    return removed_share(model, [layer]) if layer in model.compressed else 0.0
