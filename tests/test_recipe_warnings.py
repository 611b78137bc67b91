"""What a recipe undoes or makes worse is said, and nothing is said where all is well."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.measure.cost.warnings import holds_pattern, recipe_warnings
from compress_core.network.layers.places import read_matrix
from compress_core.recipe.reading import read_recipe
from compress_core.selection.patterns import NOfM
from compress_core.subject.subject import Subject
from tests.subjects import Mlp, seeded, tiny_subject
from tests.test_calibrate import calibrated


@pytest.fixture(scope="module")
def two_of_four() -> Subject:
    """Three linear layers, the second of which came with a 2:4 pattern."""
    network = seeded(Mlp())
    with torch.no_grad():
        network.fc2.weight[:, 2:6] = 0
        network.fc1.weight[2:5] /= 100  # these go first, and the others move up
    return tiny_subject(network, (6,))


def said(subject: Subject, text: str) -> tuple[str, ...]:
    return recipe_warnings(compress(subject, read_recipe(text), Store()))


def test_a_pattern_that_a_layer_came_with_is_known(two_of_four):
    layer, dense = two_of_four.layer("fc2"), two_of_four.layer("fc1")
    assert holds_pattern(read_matrix(two_of_four.network, layer), layer, NOfM(2, 4))
    assert not holds_pattern(read_matrix(two_of_four.network, dense), dense, NOfM(2, 4))


def test_removed_channels_that_destroy_a_pattern_are_warned_of(two_of_four):
    found = said(two_of_four, "groups: [{match: fc1, steps: [{technique: magnitude, share_removed: 0.375}]}]")
    assert [
        text for text in found if text.startswith("fc2 came with a pattern 2:4, which the removed channels")
    ]


def test_a_pattern_on_channels_that_are_no_multiple_is_warned_of(two_of_four):
    steps = "[{match: fc3, steps: [{technique: magnitude, pattern: '2:4'}]}]"
    (found,) = said(two_of_four, f"layers: {steps}")
    assert found.startswith("fc3 has 7 input channels, which is no multiple of 4")


@pytest.mark.parametrize(("rank", "count"), [(3, 0), (7, 1)])
def test_a_rank_that_makes_a_layer_larger_is_warned_of(two_of_four, rank, count):
    found = said(
        two_of_four, f"layers: [{{match: fc1, steps: [{{technique: low_rank, rank: {min(rank, 6)}}}]}}]"
    )
    assert len(found) == count
    assert all(text.startswith("Rank 6 costs fc1 84 weights instead of 48 and") for text in found)


def test_nothing_is_said_of_an_ordinary_recipe(two_of_four):
    assert said(two_of_four, "layers: [{match: '*', steps: [magnitude, uniform]}]") == ()


def test_a_single_layer_network_is_no_exception():
    subject = tiny_subject(seeded(nn.Sequential(nn.Linear(6, 3))), (6,))
    assert said(subject, "{}") == ()


@pytest.mark.parametrize("technique", ["gptq", "sparsegpt", "whitened_low_rank"])
def test_fewer_items_than_a_layer_has_inputs_are_warned_of_where_it_matters(technique):
    subject = calibrated(seeded(Mlp()), (6,), items=6)
    steps = f"layers: [{{match: fc2, steps: [{technique}]}}]"
    (found,) = [text for text in said(subject, steps) if "leans on chance" in text]
    assert found.startswith(
        f"fc2 has 8 inputs, and {technique} tells from all 6 calibration items how they go"
    )
    assert "Use more" not in found
    enough = calibrated(seeded(Mlp()), (6,), items=8)
    assert not [text for text in said(enough, steps) if "leans on chance" in text]
    fewer = said(enough, "calibration: {items: 7}\n" + steps)
    (left_over,) = [text for text in fewer if "from 7 calibration items" in text]
    assert "Use more of the 8 items (calibration: items)" in left_over


@pytest.mark.parametrize("technique", ["wanda", "uniform", "taylor"])
def test_what_asks_each_input_by_itself_needs_no_more_items_than_inputs(technique):
    subject = calibrated(seeded(Mlp()), (6,), items=6)
    assert said(subject, f"layers: [{{match: fc2, steps: [{technique}]}}]") == ()


def test_every_position_of_a_convolution_is_an_item_of_its_own():
    network = seeded(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 4 * 4, 2)))
    subject = calibrated(network, (3, 6, 6), items=4)  # 4 items at 16 places, 27 inputs; 4 items, 64 inputs
    found = said(subject, "layers: [{match: '*', steps: [gptq]}]")
    assert [text.split()[0] for text in found] == ["2"]
