"""The histogram of the bits knob shows what there is to quantize."""

from __future__ import annotations

import numpy as np
import pytest

from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.measure.tables.quantizer_view import quantizer_view
from compress_core.numerics.value_bins import kept_in_bins, value_bins
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
    bins = value_bins(np.concatenate([part.weight.reshape(-1).numpy() for part in parts]))
    stays = np.concatenate([part.mask.tensor.reshape(-1).numpy() for part in parts if part.mask is not None])
    assert np.array_equal(found.edges, bins.edges)
    assert np.array_equal(found.counts, bins.counts)
    assert np.array_equal(found.kept_in_bins, kept_in_bins(bins, stays.astype(np.int64), 1)[0])


def test_what_is_kept_of_each_recipe_does_not_grow_with_its_layer() -> None:
    recipe = "layers: [{match: fc1, steps: [{technique: magnitude, sparsity: 0.9}]}]"
    model = compress(loaded_sample("lenet300"), read_recipe(recipe), STORE)
    found = quantizer_view(model, "fc1", STORE)
    assert sum(array.nbytes for array in vars(found).values()) < model.base.layer("fc1").weights / 10


def test_without_pruning_all_weights_are_quantized() -> None:
    recipe = "layers: [{match: fc1, steps: [{technique: uniform, bits: 4}]}]"
    model = compress(loaded_sample("lenet300"), read_recipe(recipe), STORE)
    assert not any(quantizer_view(model, layer, STORE).is_pruned for layer in ("fc1", "fc2"))
