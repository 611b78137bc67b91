"""A training from random weights knows nothing of the trained ones beside masks and levels."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from compress_core.foundation.errors import Refused
from compress_core.training.expected_time import expected_seconds
from compress_core.training.loop import started
from compress_core.training.parametrization import WEIGHT
from tests.training_cases import STORE, compressed, run_of, trained

PRUNED = {"technique": "magnitude", "sparsity": 0.5}
QUANTIZED: tuple[dict[str, Any], ...] = (
    {"technique": "uniform", "bits": 4},
    {"technique": "affine", "bits": 4},
    {"technique": "kmeans", "bits": 4},
    {"technique": "normal_float", "bits": 4},
    {"technique": "power_of_two", "bits": 4},
)
EVEN = QUANTIZED[:2]
ROUNDED = [*(("qat", levels) for levels in QUANTIZED), *(("rate_aware", levels) for levels in EVEN)]
WAY_OUT = "take the quantization out of the recipe, or round while it learns with qat"


@pytest.mark.parametrize("levels", QUANTIZED, ids=str)
def test_codes_that_are_held_are_refused_with_the_layer_and_what_to_do(levels: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=f"fc1 is quantized and keeps the codes of its trained .*{WAY_OUT}"):
        trained(compressed(levels), start="scratch")


def test_factors_that_are_quantized_are_refused_too() -> None:
    with pytest.raises(Refused, match="keeps the codes"):
        trained(compressed({"technique": "low_rank", "rank": 2}, EVEN[0]), start="scratch")


def test_the_layer_that_a_method_does_not_round_is_named() -> None:
    with pytest.raises(Refused, match="but fc2 is quantized and keeps the codes"):
        trained(compressed(EVEN[0]), start="scratch", methods=[{"method": "qat", "match": "fc1"}])


def test_its_time_is_not_predicted_either() -> None:
    model = compressed(EVEN[0])
    with pytest.raises(Refused, match=WAY_OUT):
        expected_seconds(model, run_of(model, start="scratch").plan, STORE)


@pytest.mark.parametrize(("method", "levels"), ROUNDED, ids=str)
def test_what_is_rounded_as_it_learns_begins_at_random_weights(method: str, levels: dict[str, Any]) -> None:
    model = compressed(PRUNED, levels)
    plan = {"start": "scratch", "methods": [method]}
    trainee, _ = started(run_of(model, **plan), STORE)
    for name, weight in trainee.weights().items():
        stored = dict(model.network().named_parameters())[f"{name}.weight"]
        together = torch.corrcoef(torch.stack([weight.detach().flatten(), stored.flatten()]))[0, 1]
        assert abs(float(together)) < 0.25, "trained ones are like themselves"
    again, _ = started(run_of(model, **plan, seed=1), STORE)
    assert not torch.equal(again.learned["fc1"][WEIGHT], trainee.learned["fc1"][WEIGHT])


def test_masks_stay_where_weights_begin_anywhere() -> None:
    model = compressed(PRUNED)
    trainee, _ = started(run_of(model, start="scratch"), STORE)
    stored = dict(model.network().named_parameters())["fc1.weight"]
    assert torch.equal(trainee.weights()["fc1"] != 0, stored != 0)
