"""Weights that nobody can draw as they are, in every figure: NaN, infinity, 3e38, 1e-45, all equal."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch import Tensor

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.csv_table import Provenance
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.tables.layer_weights import LayerWeights, channel_sparsity, layer_weights
from compress_core.measure.tables.weight_notes import weight_notes
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.encoded import Zeros
from dashboard.figures.drawn import Drawn
from dashboard.figures.layer_inside import sparsity_within
from dashboard.figures.quantizer_levels import QuantizerLevels, quantizer_levels
from dashboard.figures.reduce import binned, shared_edges
from dashboard.figures.sparsity_maps import dead_channels, sparsity_by_channel
from dashboard.figures.spectrum import spectrum
from dashboard.figures.weight_histograms import error_by_channel
from dashboard.figures.words import percent
from dashboard.weights.layer import _histograms as histograms
from tests.subjects import Mlp, seeded, tiny_subject

LAYER, SIZE = "fc2", 56
FLOAT32 = st.floats(width=32, allow_nan=True, allow_infinity=True)


def _fourth(value: float) -> Callable[[Tensor], object]:
    return lambda weight: weight.view(-1)[3].fill_(value)


HOSTILE: dict[str, Callable[[Tensor], object]] = {
    "nan": _fourth(float("nan")),
    "infinite": _fourth(float("inf")),
    "below every number": _fourth(-float("inf")),
    "3e38": _fourth(3e38),
    "both ends": lambda weight: weight.copy_(weight.sign() * 3.4e38),
    "scaled by 1e-45": lambda weight: weight.mul_(4e-45),
    "one of 1e-45": _fourth(1e-45),
    "all equal": lambda weight: weight.fill_(0.3),
    "all zero": lambda weight: weight.zero_(),
    "outlier": _fourth(1e6),
    "all nan": lambda weight: weight.fill_(float("nan")),
    "all infinite": lambda weight: weight.fill_(float("inf")),
}
NOT_FINITE = {"nan": 1, "infinite": 1, "below every number": 1, "all nan": SIZE, "all infinite": SIZE}


@pytest.fixture(autouse=True)
def _no_warning() -> Iterator[None]:
    """What numpy warns of, such as an overflow, is a number that nobody should see."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def hostile_subject(kind: str) -> Subject:
    """An MLP whose second layer is hostile."""
    network = seeded(Mlp())
    with torch.no_grad():
        HOSTILE[kind](network.fc2.weight)
    return tiny_subject(network, (6,))


def assert_drawn(drawn: Drawn) -> None:
    """It can go to a browser, and neither its words nor its axes hold what is no number."""
    assert drawn.figure.to_json()
    assert drawn.csv(Provenance("any"))
    said = drawn.alternative.lower().split()
    assert not {"nan", "inf", "-inf", "nan%", "-0.00", "-0"} & set(said), drawn.alternative
    for axis in (drawn.figure.layout.xaxis, drawn.figure.layout.yaxis):
        assert axis.range is None or np.isfinite(np.array(axis.range, float)).all()


def figures_of(shown: LayerWeights) -> Iterator[Drawn]:
    """Every figure of the page Weights that draws the weights of one layer."""
    for log_counts in (False, True):
        yield histograms(shown, log_counts=log_counts, dark=False)
    yield sparsity_within(LAYER, shown.nonzero, present=shown.present)
    yield error_by_channel(LAYER, shown.error)


@pytest.mark.parametrize("kind", HOSTILE)
def test_every_figure_of_a_hostile_layer_is_drawn(kind: str) -> None:
    model = Model.original(hostile_subject(kind))
    assert_drawn(sparsity_by_channel(channel_sparsity(model, Store()).shares))
    for drawn in figures_of(layer_weights(model, LAYER, Store())):
        assert_drawn(drawn)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_histogram_counts_every_finite_weight_once(kind: str) -> None:
    shown = layer_weights(Model.original(hostile_subject(kind)), LAYER, Store())
    table = histograms(shown, log_counts=False, dark=False).table
    assert table["after"].sum() == SIZE - NOT_FINITE.get(kind, 0)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_layer_says_how_many_of_its_weights_are_not_finite(kind: str) -> None:
    notes = layer_weights(Model.original(hostile_subject(kind)), LAYER, Store()).notes
    said = [note for note in notes if "NaN or infinite" in note]
    count = NOT_FINITE.get(kind)
    assert [note[: note.index(" weights")] for note in said] == (
        [f"fc2 holds {count} of 56"] if count else []
    )


@pytest.mark.parametrize("kind", ["all equal", "all zero", "outlier", "3e38", "scaled by 1e-45"])
def test_what_a_histogram_cannot_show_is_said(kind: str) -> None:
    (note,) = layer_weights(Model.original(hostile_subject(kind)), LAYER, Store()).notes
    assert "fc2" in note


def test_an_ordinary_layer_has_nothing_to_be_said() -> None:
    subject = tiny_subject(seeded(Mlp()), (6,))
    assert layer_weights(Model.original(subject), LAYER, Store()).notes == ()
    assert weight_notes(LAYER, np.ones((1, 1), np.float32)) == ()


@pytest.mark.slow
@pytest.mark.parametrize("technique", ["magnitude", "uniform", "affine", "kmeans", "low_rank"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_layer_ships_as_finite_numbers_or_is_refused_by_name(kind: str, technique: str) -> None:
    model = _compressed_or_refused(hostile_subject(kind), technique)
    if model is None:
        return
    assert all(kernel.isfinite().all() for kernel in model.compressed[LAYER].kernels)
    for drawn in figures_of(layer_weights(model, LAYER, Store())):
        assert_drawn(drawn)


def _compressed_or_refused(subject: Subject, technique: str) -> Model | None:
    """The model; None where it is refused with the name of the layer."""
    recipe = ResolvedRecipe(((LAYER, (Step.of(technique),)),))
    if LAYER in subject.problems or (
        technique == "affine" and float(subject.network.fc2.weight.min()) < -3e38
    ):
        with pytest.raises(Refused, match=LAYER):
            compress(subject, recipe, Store())
        return None
    return compress(subject, recipe, Store())


@pytest.mark.parametrize("kind", NOT_FINITE)
def test_the_other_layers_of_a_broken_model_can_be_changed(kind: str) -> None:
    recipe = ResolvedRecipe((("fc1", (Step.of("magnitude", sparsity=0.5),)),))
    shown = layer_weights(compress(hostile_subject(kind), recipe, Store()), "fc1", Store())
    assert shown.zeros.pruned == 24


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, array_shapes(min_dims=1, max_dims=1, max_side=20), elements=FLOAT32))
def test_whatever_the_weights_are_each_finite_one_lies_in_one_bin(weights: np.ndarray) -> None:
    edges = shared_edges(weights)
    assert np.isfinite(edges).all()
    assert (np.diff(edges) > 0).all()
    assert binned(weights, edges).sum() == np.isfinite(weights).sum()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=FLOAT32))
def test_whatever_the_weights_are_they_are_drawn(weights: np.ndarray) -> None:
    layer = tiny_subject(seeded(Mlp()), (6,)).layer(LAYER)
    zeros, present = Zeros(int((weights == 0).sum()), 0, 0), np.ones(weights.shape, bool)
    notes = weight_notes(LAYER, weights)
    shown = LayerWeights(layer, weights, weights, weights, present, zeros, None, None, None, notes)
    for drawn in figures_of(shown):
        assert_drawn(drawn)


@pytest.mark.parametrize(
    "values",
    [[np.nan], [np.inf, 1.0], [3e38, 3e38], [1e-45, 1e-45], [0.0, 0.0], [1.0], []],
    ids=["nan", "infinite", "3e38", "1e-45", "zero", "one", "none"],
)
def test_a_spectrum_is_drawn_whatever_the_singular_values_are(values: list[float]) -> None:
    drawn = spectrum(LAYER, np.array(values))
    assert_drawn(drawn)
    assert drawn.table["energy"].between(0, 1).all()


@pytest.mark.parametrize("error", [np.nan, np.inf, 1e300, 0.0, -0.0])
@pytest.mark.parametrize("level", [np.nan, np.inf, 3e38, 1e-45])
def test_quantizers_are_drawn_whatever_their_levels_and_errors_are(level: float, error: float) -> None:
    one = QuantizerLevels("uniform", np.array([-1.0, level]), 12.0, error)
    edges = shared_edges(np.array([1.0, 3e38], np.float32))
    assert_drawn(quantizer_levels(LAYER, [one], np.ones(121, int), edges))


@pytest.mark.parametrize("errors", [[np.nan, np.inf], [np.inf, 0.5], [1e167, 1.0], [0.0]])
def test_errors_of_channels_leave_out_what_is_no_number_and_say_so(errors: list[float]) -> None:
    drawn = error_by_channel(LAYER, np.array(errors))
    assert_drawn(drawn)
    assert len(drawn.alternative) < 300
    count = int(np.isfinite(errors).sum())
    assert (f"{len(errors) - count} others" in drawn.alternative) == (0 < count < len(errors))


def test_channels_without_a_number_are_no_dead_ones() -> None:
    model = Model.original(hostile_subject("all nan"))
    found = channel_sparsity(model, Store())
    assert found.dead.tolist() == [0, 0, 0]
    assert_drawn(dead_channels(list(found.shares), found.dead, found.channels))


@pytest.mark.parametrize(("share", "said"), [(-1e-9, "0.0 %"), (1.0, "100.0 %"), (1e167, "1e+169 %")])
def test_a_percentage_is_short_and_never_minus_zero(share: float, said: str) -> None:
    assert percent(share) == said


def test_a_quantizer_that_would_make_a_weight_infinite_is_refused() -> None:
    subject = hostile_subject("both ends")
    with pytest.raises(Refused, match=r"affine would make weights of fc2 infinite: the largest, 3\.4e\+38"):
        compress(subject, ResolvedRecipe(((LAYER, (Step.of("affine"),)),)), Store())


def test_a_layer_cut_out_altogether_is_blank_and_counts_nothing() -> None:
    shown = layer_weights(Model.original(hostile_subject("all equal")), LAYER, Store())
    gone = replace(shown, present=np.zeros_like(shown.present), zeros=Zeros(0, 0, 0))
    assert gone.is_left_out
    for drawn in figures_of(gone):
        assert_drawn(drawn)
