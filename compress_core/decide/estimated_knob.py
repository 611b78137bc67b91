"""What each place of one knob is estimated to cost in accuracy, for a slider that says so while it moves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from compress_core.decide.estimate import Estimator
from compress_core.decide.knob_positions import positions_at, positions_of
from compress_core.decide.sensitivity import Sensitivity
from compress_core.numerics.arrays import Floats
from compress_core.recipe.edit import with_step
from compress_core.recipe.values import ResolvedRecipe, Step


def changes_of_knob(
    estimator: Estimator,
    sensitivity: Sensitivity,
    recipe: ResolvedRecipe,
    layer: str,
    step: Step,
    values: Iterable[float],
) -> Floats:
    """Points of accuracy for each value of the knob of a step, all else as the recipe has it.

    step: any step of the technique in question. values [n]: NaN where the layer has no such step. NaN is
    also what comes out without labels. Raises Refused where the scan says nothing of the step or of the rest.
    """
    others = positions_of(with_step(recipe, [layer], step.stage, None), sensitivity)
    positions_of(with_step(recipe, [layer], step.stage, step), sensitivity)  # refuses what was not tried so
    (here,) = positions_at(layer, [step])

    def change(value: float) -> float:
        at = () if np.isnan(value) else (replace(here, value=value),)
        found = estimator.change((*others, *at))
        return np.nan if found is None else found

    return np.array([change(float(value)) for value in values])
