"""Penalties that make weights zero: they follow their formula, and what is zero at the end is pruned."""

from __future__ import annotations

import pytest
import torch

from compress_core.apply.trained import TrainedWeights
from compress_core.foundation.errors import Refused
from compress_core.training.methods.l1 import soft_thresholded
from tests.training_cases import compressed, table, trained


def zeros(weights: TrainedWeights) -> int:
    return sum(e.zeros.pruned for part in weights.layers.values() for e in part)


def test_soft_thresholding_takes_the_same_from_every_weight_and_none_below_zero() -> None:
    weight = torch.tensor([[0.5, -0.5, 0.1, -0.1, 0.25, 0.0]])
    found = soft_thresholded({"fc": weight}, 0.5, strength=0.5)["fc"]
    assert found.tolist() == [[0.25, -0.25, 0.0, 0.0, 0.0, 0.0]]


def test_a_step_with_l1_is_the_step_without_and_then_soft_thresholding() -> None:
    rows = len(table().split("training"))
    plain = trained(compressed(), batch_size=rows, learning_rate=0.01)
    found = trained(
        compressed(), batch_size=rows, learning_rate=0.01, methods=[{"method": "l1", "strength": 4}]
    )
    for name, (weight,) in plain.weights.layers.items():
        by_hand = weight.values.sign() * (weight.values.abs() - 0.04).clamp(min=0)
        assert torch.allclose(found.weights.layers[name][0].values, by_hand, atol=1e-7)


def test_what_is_shrunk_to_zero_is_pruned_and_each_epoch_says_how_much_that_is() -> None:
    found = trained(compressed(), epochs=4, learning_rate=0.003, methods=[{"method": "l1", "strength": 3}])
    assert found.epoch == 4, "only the last is done"
    for name, (weight,) in found.weights.layers.items():
        assert weight.mask is not None
        assert torch.equal(weight.mask.tensor, weight.values != 0)
        assert found.history[-1].sparsity[name] == weight.zeros.pruned / weight.weight.numel()
    assert all(e.sparsity["fc1"] < f.sparsity["fc1"] for e, f in zip(found.history, found.history[1:]))  # noqa: B905


def test_a_greater_strength_leaves_no_more_weights() -> None:
    counts = [
        zeros(trained(compressed(), learning_rate=0.003, methods=[{"method": "l1", "strength": s}]).weights)
        for s in (0, 1, 3, 10)
    ]
    assert counts == sorted(counts)
    assert counts[0] == 0 < counts[1] < counts[-1]


def test_layers_that_match_does_not_name_are_left_dense() -> None:
    only = {"method": "l1", "strength": 10, "match": "fc2"}
    weights = trained(compressed(), learning_rate=0.003, methods=[only]).weights
    assert [name for name, (weight,) in weights.layers.items() if weight.mask is not None] == ["fc2"]


@pytest.mark.parametrize("technique", ["uniform", "kmeans"])
def test_single_weights_of_a_layer_that_keeps_its_codes_are_refused_before_the_first_step(
    technique: str,
) -> None:
    with pytest.raises(Refused, match="fc1 is quantized and keeps its codes"):
        trained(compressed({"technique": technique, "bits": 4}), methods=["l1"])
