"""Rows of the prune knob say what the model has, whatever scope, pattern and criterion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.apply.shared_budget import on_their_own, sharers, with_budget
from compress_core.foundation.store import Store
from compress_core.measure.tables.prune_rows import pruned_now, sparsity_table
from compress_core.numerics.value_bins import value_bins
from compress_core.recipe.edit import in_order, with_step
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.selection.kept_counts import removed_together
from compress_core.selection.patterns import SINGLE, BoxGrid, LayerShape
from compress_core.selection.ranking import rank_scores
from compress_core.selection.scores import Scores
from compress_core.selection.select import Selection, select
from compress_core.techniques.contract.technique import Stage
from tests.subjects import with_calibration
from tests.test_knob_tables import NAMES, SUBJECT

STORE = Store()
MEASURED = with_calibration(SUBJECT)


@dataclass(frozen=True)
class Case:
    """A recipe in which some layers have one prune step, and the layer that is looked at."""

    recipe: ResolvedRecipe
    layer: str
    step: Step


@st.composite
def cases(draw: st.DrawFn) -> Case:
    scope = draw(st.sampled_from(["network", "erk", "layer", "row"]))
    patterns = ["unstructured", "2x2"] if scope == "row" else ["unstructured", "row", "2x2", "column"]
    technique = draw(st.sampled_from(["magnitude", "random_pruning", "wanda"]))
    share = draw(st.sampled_from([0.0, 0.3, 0.873461, 1.0]))
    step = Step.of(technique, sparsity=share, scope=scope, pattern=draw(st.sampled_from(patterns)))
    pruned = draw(st.lists(st.sampled_from(["conv", "up", "fc"]), min_size=1, unique=True))
    recipe = with_step(ResolvedRecipe(()), pruned, Stage.PRUNE, step)
    if dict(step.knobs)["pattern"] == "unstructured":
        factored = draw(st.lists(st.sampled_from(["conv", "fc"]), unique=True))
        recipe = with_step(recipe, factored, Stage.FACTOR, Step.of("low_rank", rank=2))
    quantizer = draw(st.sampled_from([None, Step.of("uniform", bits=3), Step.of("kmeans", bits=2)]))
    recipe = with_step(recipe, [pruned[0]], Stage.QUANTIZE, quantizer)
    return Case(in_order(recipe, NAMES), pruned[0], step)


def model_of(recipe: ResolvedRecipe) -> Model:
    return compress(MEASURED, in_order(recipe, NAMES), STORE)


def kept(model: Model, layer: str) -> int:
    return sum(part.kept_count for part in model.compressed[layer].encoded)


@pytest.mark.slow
@settings(max_examples=25)
@given(cases())
def test_every_row_is_what_the_model_has_when_all_who_share_the_budget_stand_there(case: Case) -> None:
    table = sparsity_table(MEASURED, case.recipe, case.layer, case.step, STORE, rows=4)
    assert float(case.step.knobs.sparsity) in table.sparsity
    for row, share in enumerate(table.sparsity):
        step = Step.of(case.step.technique, **{**case.step.changed, "sparsity": float(share)})
        model = model_of(with_budget(case.recipe, case.layer, step, NAMES))
        encoded = model.compressed[case.layer].encoded
        assert table.kept[row] == kept(model, case.layer)
        assert table.bytes[row] * 8 == sum(part.bits.total for part in encoded)
        now = pruned_now(model, case.layer, STORE)
        assert table.error[row] == pytest.approx(now.error, abs=1e-12)
        assert table.kept_in_bins[row].tolist() == now.kept_in_bins.tolist()
        others = [name for name in table.layers if name != case.layer]
        left = sum(kept(model, name) for name in others)
        size = sum(part.weight.numel() for name in others for part in model.compressed[name].encoded)
        assert table.elsewhere[row] == pytest.approx(1 - left / size if others else np.nan, nan_ok=True)


@settings(max_examples=25)
@given(cases())
def test_leaving_a_budget_changes_no_weight_of_any_layer(case: Case) -> None:
    before = model_of(case.recipe)
    after = model_of(on_their_own(before, [case.layer]))
    assert sharers(after.recipe, case.layer, _prune(after, case.layer), NAMES) == (case.layer,)
    if _scope(case) == "erk":  # counts of what is left are rounded anew, to within one for each layer
        assert all(abs(kept(before, n) - kept(after, n)) <= 2 for n in before.compressed)
        return
    for name in before.compressed:
        for one, other in zip(before.compressed[name].encoded, after.compressed[name].encoded, strict=True):
            assert one.mask is None or torch.equal(one.mask.tensor, other.mask.tensor)


def _scope(case: Case) -> object:
    return dict(case.step.knobs)["scope"]


def _prune(model: Model, layer: str) -> Step:
    part = layer if len(model.compressed[layer].encoded) == 1 else f"{layer}.0"
    found = model.recipe.step(part, Stage.PRUNE)
    assert found is not None
    return found


HOSTILE = [
    [3e38, 1, 2],
    [-3e38, 3e38],
    [1e-45, -1e-45, 0],
    [np.nan, 1, -1],
    [np.inf, -np.inf, 2],
    [np.nan],
    [],
]


@pytest.mark.parametrize("values", HOSTILE, ids=str)
def test_bins_count_every_finite_value_once_and_leave_the_others_out(values: list[float]) -> None:
    array = np.array(values, np.float32)
    bins = value_bins(array)
    assert bins.counts.sum() == np.isfinite(array).sum()
    assert bins.broken == len(array) - np.isfinite(array).sum()
    assert np.isfinite(bins.edges).all()
    assert (np.diff(bins.edges) > 0).all()


def test_a_value_far_beyond_all_others_does_not_stretch_the_bins() -> None:
    values = np.append(np.random.default_rng(0).normal(size=5000), [3e38])
    bins = value_bins(values)
    assert bins.beyond == 1
    assert bins.edges[-1] < 20
    assert np.count_nonzero(bins.counts) > 40


@pytest.mark.parametrize("factored", [None, Step.of("low_rank", rank=2)], ids=["whole", "factored"])
def test_what_an_updating_method_lost_is_told_from_the_weights_it_was_given(factored: Step | None) -> None:
    step = Step.of("sparsegpt", sparsity=0.5)
    recipe = with_step(ResolvedRecipe(()), ["fc"], Stage.PRUNE, step)
    recipe = with_step(recipe, ["fc"], Stage.FACTOR, factored)
    now = pruned_now(model_of(recipe), "fc", STORE)
    bare = model_of(with_step(recipe, ["fc"], Stage.PRUNE, None))
    before = [part.weight for part in bare.compressed["fc"].encoded] if factored else [bare.values("fc")]
    after = [part.values for part in model_of(recipe).compressed["fc"].encoded]
    moved = sum(float((a - b).double().square().sum()) for a, b in zip(after, before, strict=True))
    assert now.error == pytest.approx(moved / sum(float(b.double().square().sum()) for b in before))
    assert now.error > 0.01
    whole = value_bins(np.concatenate([b.numpy().reshape(-1) for b in before]))
    assert now.bins.counts.tolist() == whole.counts.tolist()


@given(st.lists(st.integers(0, 2), min_size=12, max_size=12), st.integers(0, 12))
def test_counts_are_those_of_the_masks_where_scores_are_equal(values: list[int], removed: int) -> None:
    scores = [Scores(torch.tensor(part).float().view(2, -1)) for part in (values[:4], values[4:])]
    shapes = [LayerShape(str(n), torch.Size((2, n)), 1) for n in (2, 4)]
    masks = select(scores, shapes, Selection(sparsity=removed / 12, scope="network"), None)
    cuts = [BoxGrid.of(SINGLE, shape) for shape in shapes]
    counts = removed_together(rank_scores(scores), cuts, removed / 12)
    assert counts == [4 - masks[0].count, 8 - masks[1].count]
