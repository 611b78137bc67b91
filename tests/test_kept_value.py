"""Another technique begins with what was there: the share that is removed, or the rank."""

from __future__ import annotations

import pytest

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.measure.tables.kept_value import kept_value
from compress_core.recipe.edit import in_order, step_for_layer, with_step
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.techniques.contract.technique import Stage
from tests.subjects import with_calibration
from tests.test_knob_tables import NAMES, SUBJECT

STORE = Store()
MEASURED = with_calibration(SUBJECT)
EVERYWHERE = ("conv", "up", "fc")
BEFORE = [
    Step.of("magnitude", sparsity=0.873461),
    Step.of("random_pruning", sparsity=0.3),
    Step.of("magnitude", sparsity=0.6, scope="network"),
    Step.of("magnitude", pattern="2:4"),
    Step.of("sparsegpt", sparsity=0.25),
    Step.of("wanda"),
    Step.of("magnitude", sparsity=0.0),
]


def made(step: Step, factored: Step | None = None) -> Model:
    recipe = with_step(ResolvedRecipe(()), ["fc"], Stage.FACTOR, factored)
    layers = ["fc"] if step.stage is Stage.FACTOR or "pattern" in step.changed else EVERYWHERE
    return compress(MEASURED, in_order(with_step(recipe, layers, step.stage, step), NAMES), STORE)


def instead(model: Model, layer: str, technique: str, stage: Stage = Stage.PRUNE) -> Model:
    """The model with another technique on this layer, set as `kept_value` says."""
    step = step_for_layer(model.recipe, layer, stage)
    assert step is not None
    other = Step.of(technique, **kept_value(model, layer, step, technique, STORE))
    return compress(MEASURED, in_order(with_step(model.recipe, [layer], stage, other), NAMES), STORE)


def removed(model: Model, layer: str) -> int:
    return sum(part.weight.numel() - part.kept_count for part in model.compressed[layer].encoded)


CASES = [(step, None) for step in BEFORE] + [
    (step, Step.of("low_rank", rank=2)) for step in BEFORE if "pattern" not in step.changed
]


@pytest.mark.parametrize(("step", "factored"), CASES)
def test_a_threshold_begins_where_it_removes_as_many_weights_as_went_before(
    step: Step, factored: Step | None
) -> None:
    before = made(step, factored)
    assert removed(instead(before, "fc", "threshold"), "fc") == removed(before, "fc")


@pytest.mark.parametrize("technique", ["magnitude", "random_pruning", "sparsegpt", "wanda"])
@pytest.mark.parametrize("share", [0.0, 0.123456, 0.5])
def test_what_comes_after_a_threshold_begins_with_the_share_that_it_removed(
    technique: str, share: float
) -> None:
    before = made(Step.of("threshold", share=share))
    assert removed(instead(before, "fc", technique), "fc") == removed(before, "fc")


def test_a_threshold_and_back_leaves_the_same_weights() -> None:
    before = made(Step.of("magnitude", sparsity=0.4))
    there = instead(before, "conv", "threshold")
    assert removed(instead(there, "conv", "magnitude"), "conv") == removed(before, "conv")


def test_ranks_of_other_names_begin_at_the_narrowest_rank_that_was_set_and_no_wider_than_the_layer() -> None:
    model = compress(MEASURED, ResolvedRecipe((("conv", (Step.of("low_rank", rank=2),)),)), STORE)
    said = kept_value(model, "conv", Step.of("low_rank", rank=2), "tucker", STORE)
    assert said == {"rank_in": min(2, SUBJECT.layer("conv").kernel_shape[1]), "rank_out": 2}
    step = Step.of("tucker", rank_in=1, rank_out=2)
    model = compress(MEASURED, ResolvedRecipe((("conv", (step,)),)), STORE)
    assert kept_value(model, "conv", step, "spatial", STORE) == {"rank": 1}


@pytest.mark.parametrize(
    ("before", "technique"),
    [
        (Step.of("magnitude", sparsity=0.5), "wanda"),  # the knob itself is kept
        (Step.of("low_rank", energy=0.8), "tucker"),  # the energy is
        (Step.of("low_rank", rank=2), "spatial"),
        (Step.of("uniform", bits=3), "kmeans"),
        (Step.of("magnitude", sparsity=0.5), "uniform"),
    ],
)
def test_nothing_is_said_where_both_have_the_knob_or_they_have_none_in_common(
    before: Step, technique: str
) -> None:
    model = compress(MEASURED, ResolvedRecipe((("conv", (before,)),)), STORE)
    assert kept_value(model, "conv", before, technique, STORE) == {}
