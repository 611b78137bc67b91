"""What a slider is said to cost at each of its places: the estimate of the recipe that it would make."""

from __future__ import annotations

import numpy as np
import pytest

from compress_core.decide.estimate import estimator_of
from compress_core.decide.estimated_knob import changes_of_knob
from compress_core.decide.family import Family
from compress_core.decide.knob_positions import positions_of
from compress_core.foundation.errors import Refused
from compress_core.recipe.edit import with_step
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.techniques.contract.technique import Stage
from tests.test_estimate import BITS, PRUNED, curve, scan

SCAN = scan(
    curve("a", Family.PRUNE, PRUNED),
    curve("a", Family.BITS, BITS),
    curve("a", Family.RANK, ((20, 0.01, 500), (5, 0.2, 300))),
    curve("b", Family.BITS, BITS),
)
ESTIMATOR = estimator_of(SCAN, {"a": 40, "b": 40})
RECIPE = ResolvedRecipe((("a", (Step.of("uniform", bits=4),)), ("b", (Step.of("uniform", bits=3),))))


@pytest.mark.parametrize(
    ("knob", "values"), [("sparsity", (0.1, 0.5, 0.9)), ("rank", (3, 20)), ("bits", (2, 5, 8))]
)
def test_each_place_says_what_the_recipe_with_the_knob_there_is_estimated_at(
    knob: str, values: tuple[float, ...]
) -> None:
    technique = {"sparsity": "magnitude", "rank": "low_rank", "bits": "uniform"}[knob]
    stage = {"sparsity": Stage.PRUNE, "rank": Stage.FACTOR, "bits": Stage.QUANTIZE}[knob]
    tried = Step.of(technique, **{knob: values[-1]})
    changes = changes_of_knob(ESTIMATOR, SCAN, RECIPE, "a", tried, (*values, np.nan))
    steps = [*(Step.of(technique, **{knob: value}) for value in values), None]
    recipes = [with_step(RECIPE, ["a"], stage, step) for step in steps]
    wanted = [ESTIMATOR.change(positions_of(recipe, SCAN)) for recipe in recipes]
    assert changes.tolist() == pytest.approx(wanted, rel=1e-12)


def test_harder_places_are_never_estimated_to_cost_less() -> None:
    shares = np.linspace(0, 1, 11)
    changes = changes_of_knob(ESTIMATOR, SCAN, RECIPE, "a", Step.of("magnitude", sparsity=0.5), shares)
    assert bool(np.all(np.diff(changes) <= 0))
    assert changes[0] < 0, "the bits of both layers cost something already"


@pytest.mark.parametrize(
    ("recipe", "step"),
    [
        (RECIPE, Step.of("random_pruning", sparsity=0.5)),
        (RECIPE, Step.of("magnitude", sparsity=0.5, scope="network")),
        (
            with_step(RECIPE, ["b"], Stage.PRUNE, Step.of("magnitude", sparsity=0.5)),
            Step.of("uniform", bits=4),
        ),
    ],
)
def test_what_was_not_scanned_so_has_no_estimate(recipe: ResolvedRecipe, step: Step) -> None:
    with pytest.raises(Refused):
        changes_of_knob(ESTIMATOR, SCAN, recipe, "a", step, (0.5,))
