"""Cut channels and dropped blocks on Weights: one denominator, and what was cut is no pruned zero."""

from __future__ import annotations

import numpy as np
import pytest

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.measure.tables.layer_weights import channel_sparsity, layer_weights
from compress_core.recipe.reading import read_recipe
from compress_core.recipe.values import Step
from dashboard.figures.layer_inside import sparsity_within
from dashboard.figures.palette import ink
from dashboard.figures.sparsity_maps import dead_channels, sparsity_by_channel
from dashboard.figures.weight_histograms import error_by_channel
from dashboard.weights.layer import _histograms as histograms
from tests.subjects import loaded_sample, mlp_subject, rules

CUT, DROPPED, CONSUMER = "layer1.conv1", "layer2.conv1", "layer1.conv2"


@pytest.fixture(scope="module")
def model() -> Model:
    """ResNet with half the channels of a group cut, a block dropped, and one cut layer pruned and rounded."""
    text = f"""
groups:
  - {{match: layer1.conv1, steps: [{{technique: magnitude, share_removed: 0.5}}]}}
  - {{match: layer2, steps: [drop_block]}}
layers:
  - {{match: {CONSUMER}, steps: [{{technique: magnitude, sparsity: 0.25}}, {{technique: uniform, bits: 2}}]}}
"""
    return compress(loaded_sample("resnet"), read_recipe(text), Store())


def test_map_histogram_and_overview_of_a_cut_layer_count_the_same_zeros(model: Model) -> None:
    for name in (CUT, CONSUMER):
        shown = layer_weights(model, name, Store())
        left = model.base.layer(name).weights
        assert shown.left == left < shown.layer.weights
        inside = sparsity_within(name, shown.nonzero, present=shown.present, max_cells=10**4).table
        overview = channel_sparsity(model, Store()).shares[name]
        zeros = float(np.nansum(inside["share_zero"]))
        assert inside["share_zero"].notna().sum() == left
        assert zeros == shown.zeros.total
        table = histograms(shown, log_counts=False, dark=False).table
        assert table["after"].sum() == left
        per_channel = left / np.isfinite(overview).sum()
        assert np.nansum(overview) * per_channel == pytest.approx(zeros)


def test_channels_that_were_cut_are_blank_and_not_dead(model: Model) -> None:
    found = channel_sparsity(model, Store())
    at = list(found.shares).index(CUT)
    rows = model.base.layer(CUT).rows
    assert found.channels[at] == rows == model.subject.layer(CUT).rows // 2
    assert found.dead[at] == 0
    labels = sparsity_by_channel(found.shares).figure.layout.yaxis.ticktext
    assert f"{rows} cut out" in labels[at]
    drawn = dead_channels(list(found.shares), found.dead, found.channels)
    assert f"of {found.channels.sum():,}" in drawn.figure.layout.title.text


def test_a_dropped_block_is_left_out_and_counts_nowhere(model: Model) -> None:
    shown = layer_weights(model, DROPPED, Store())
    assert shown.is_left_out
    drawn = sparsity_within(DROPPED, shown.nonzero, present=shown.present)
    assert "every weight here was cut out" in drawn.alternative
    assert np.isnan(shown.error).all()
    found = channel_sparsity(model, Store())
    labels = dict(
        zip(found.shares, sparsity_by_channel(found.shares).figure.layout.yaxis.ticktext, strict=True)
    )
    assert "left out" in labels[DROPPED]


def test_the_error_of_a_cut_layer_is_that_of_its_own_steps(model: Model) -> None:
    untouched = layer_weights(model, CUT, Store()).error
    assert set(untouched[np.isfinite(untouched)]) == {0.0}
    shown = layer_weights(model, CONSUMER, Store())
    base = shown.reference[shown.present]
    moved = np.square(shown.after[shown.present].astype(float) - base).sum()
    sizes = np.square(shown.reference.astype(float)).sum(axis=1)
    assert np.nansum(shown.error * sizes) == pytest.approx(moved)
    text = error_by_channel(CONSUMER, shown.error, after_cuts=True).figure.layout.title.text
    assert "what preparations and cuts left" in text


def test_folding_alone_is_no_error_of_a_channel() -> None:
    folded = compress(loaded_sample("resnet"), read_recipe("prepare: [fold_batch_norm]"), Store())
    assert not layer_weights(folded, CUT, Store()).error.any()


def test_a_layer_that_is_only_rounded_is_not_called_pruned() -> None:
    shown = layer_weights(
        compress(mlp_subject(), rules(fc2=Step.of("uniform", bits=2)), Store()), "fc2", Store()
    )
    assert shown.zeros.pruned == 0 < shown.zeros.quantized
    inside = sparsity_within("fc2", shown.nonzero, present=shown.present)
    assert "pruned" not in (inside.alternative + inside.figure.to_json()).lower()
    assert "share_zero" in inside.table


@pytest.mark.parametrize(
    "steps",
    [
        (Step.of("low_rank", rank=2),),
        (Step.of("low_rank", rank=2), Step.of("magnitude", sparsity=0.8)),
        (Step.of("low_rank", rank=2), Step.of("uniform", bits=2)),
        (Step.of("low_rank", rank=2), Step.of("magnitude", sparsity=0.7), Step.of("uniform", bits=2)),
    ],
    ids=["factored", "pruned", "rounded", "both"],
)
def test_zeros_of_a_factored_layer_are_those_of_the_product_that_is_drawn(steps: tuple[Step, ...]) -> None:
    model = compress(mlp_subject(), rules(fc2=steps), Store())
    shown = layer_weights(model, "fc2", Store())
    assert shown.zeros.total == (shown.after == 0).sum()
    assert histograms(shown, log_counts=False, dark=False).table["after"].sum() == 56
    assert (shown.zeros.pruned > 0) <= any(step.technique == "magnitude" for step in steps)
    assert (shown.zeros.quantized > 0) <= any(step.technique == "uniform" for step in steps)
    assert shown.rank == 2


@pytest.mark.parametrize("dark", [False, True])
def test_what_was_cut_has_a_color_of_its_own_on_every_page(model: Model, dark: bool) -> None:
    """The darkest color of a share lies next to the ground of a dark page."""
    shown = layer_weights(model, CUT, Store())
    shares = channel_sparsity(model, Store()).shares
    for drawn in (
        sparsity_within(CUT, shown.nonzero, present=shown.present, dark=dark),
        sparsity_by_channel(shares, dark=dark),
    ):
        assert drawn.figure.layout.plot_bgcolor == ink(dark=dark).neutral
