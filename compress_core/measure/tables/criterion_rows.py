"""Several criteria on the same layers at the same share: what each of them removes, and what that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from compress_core.apply.lineage import with_recipe
from compress_core.apply.model import Model
from compress_core.apply.run import model_of
from compress_core.apply.shared_budget import on_their_own
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.measure.cost.cost import layer_costs
from compress_core.measure.tables.output_errors import output_errors
from compress_core.recipe.edit import in_order, with_step
from compress_core.recipe.values import Step
from compress_core.techniques.contract.technique import Stage


@dataclass(frozen=True, eq=False)
class CriterionRow:
    """What one criterion makes of some layers; model is None where it was refused.

    step: how they are pruned; removed: how many of their weights it took out, of how many; bytes: the plain
    file of the whole model; output_errors: of each of these layers by name.
    """

    step: Step
    model: Model | None
    removed: int = 0
    weights: int = 0
    bytes: int = 0
    output_errors: Mapping[str, Number] = field(default_factory=lambda: MappingProxyType({}))
    refused: Refused | None = None

    @property
    def median_error(self) -> float | None:
        """The output error that half of the layers stay below; None where none is measured."""
        known = [error.value for error in self.output_errors.values() if error.value is not None]
        return float(np.median(known)) if known else None

    @property
    def worst_layer(self) -> str | None:
        """The layer whose output errs most; None where none is measured."""
        known = {name: error.value for name, error in self.output_errors.items() if error.value is not None}
        return max(known, key=known.__getitem__) if known else None


def criterion_rows(
    model: Model, layers: Sequence[str], steps: Sequence[Step], store: Store
) -> tuple[CriterionRow, ...]:
    """Each step in the place of what the model's recipe prunes in these layers; all else stays as it is.

    Other layers that shared a budget with these keep what they have.
    """
    return tuple(_row(model, layers, step, store) for step in steps)


def _row(model: Model, layers: Sequence[str], step: Step, store: Store) -> CriterionRow:
    recipe = with_step(on_their_own(model, layers), layers, Stage.PRUNE, step)
    lineage = with_recipe(model.lineage, in_order(recipe, list(model.subject.by_name)))
    try:
        tried = model_of(model.subject, lineage, store)
    except Refused as refused:
        return CriterionRow(step, None, refused=refused)
    costs = [row for row in layer_costs(tried, store) if row.layer.name in layers]
    return CriterionRow(
        step,
        tried,
        sum(row.zeros.pruned for row in costs),
        sum(row.weights for row in costs),
        tried.file_bytes,
        MappingProxyType(dict(output_errors(tried, store, layers))),
    )
