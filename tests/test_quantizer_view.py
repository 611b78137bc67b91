"""The histogram of the bits knob shows what there is to quantize."""

from __future__ import annotations

import pytest

from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.measure.tables.quantizer_view import quantizer_view
from compress_core.recipe.reading import read_recipe
from tests.subjects import loaded_sample

STORE = Store()


@pytest.mark.parametrize(
    "steps",
    [
        "[{technique: magnitude, sparsity: 0.9}]",
        "[{technique: magnitude, sparsity: 1.0}]",
        "[{technique: random_pruning, sparsity: 0.5}, {technique: uniform, bits: 4}]",
        "[{technique: low_rank, rank: 5}, {technique: magnitude, sparsity: 0.3}]",
    ],
)
def test_what_is_to_be_quantized_are_the_kept_weights_of_all_parts(steps: str) -> None:
    model = compress(
        loaded_sample("lenet300"), read_recipe(f"layers: [{{match: fc1, steps: {steps}}}]"), STORE
    )
    found = quantizer_view(model, "fc1", STORE)
    parts = model.compressed["fc1"].encoded
    assert found.is_pruned
    assert found.kept_in_bins.sum() == sum(part.kept_count for part in parts)
    assert found.bins.counts.sum() == sum(part.weight.numel() for part in parts)


def test_without_pruning_all_weights_are_quantized() -> None:
    recipe = "layers: [{match: fc1, steps: [{technique: uniform, bits: 4}]}]"
    model = compress(loaded_sample("lenet300"), read_recipe(recipe), STORE)
    assert not any(quantizer_view(model, layer, STORE).is_pruned for layer in ("fc1", "fc2"))
