"""What a network of an upload would take is known from its shapes, and refused before it is computed."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.jobs.bundle import bundle_of, read_bundle
from compress_core.loading import best_candidate as choosing
from compress_core.loading.allowance import ON_SERVER, RunLimits, check_scores
from compress_core.loading.best_candidate import best_candidate
from compress_core.loading.infer import network_candidates
from compress_core.loading.items import Items
from compress_core.loading.weights_subject import user_subject


def cnn() -> dict[str, Tensor]:
    """Two convolutions of 3 x 3 and a linear layer, which fit images of 6 x 6 in seven ways."""
    shapes = {"conv1": (4, 1, 3, 3), "conv2": (4, 4, 3, 3), "fc": (3, 4)}
    drawn = torch.Generator().manual_seed(0)
    return {f"{name}.weight": torch.randn(shape, generator=drawn) for name, shape in shapes.items()}


def test_multiplications_are_those_of_the_layers() -> None:
    (mlp,) = network_candidates(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)).state_dict())
    assert mlp.multiplications == 8 * 16 + 16 * 3
    found = {one.multiplications for one in network_candidates(cnn(), input_shape=(1, 6, 6))}
    halved = 36 * 9 * 4 + 9 * 9 * 16 + 12
    assert found == {halved, 36 * 9 * 4 + 36 * 9 * 16 + 12, 16 * 9 * 4 + 4 * 9 * 16 + 12, 36 * 36 + 2304 + 12}


@pytest.mark.parametrize(
    ("allowed", "says"),
    [
        (
            RunLimits(layer_values=10),
            "Layer 'conv1' gives 144 values for one item of shape [1, 6, 6]; at most 10",
        ),
        (
            RunLimits(all_values=20),
            "takes 2,604 multiplications and 183 values for one item of shape [1, 6, 6]",
        ),
        (
            RunLimits(multiplications=1_000),
            "at most 1,000 and 8,000,000 are computed here. Upload smaller items",
        ),
    ],
)
def test_a_network_that_takes_more_is_refused(allowed: RunLimits, says: str) -> None:
    with pytest.raises(Refused, match=re.escape(says)):
        network_candidates(cnn(), input_shape=(1, 6, 6), allowed=allowed)


def test_a_wide_layer_on_one_image_is_refused_before_it_is_computed() -> None:
    wide = nn.Sequential(nn.Conv2d(1, 50_000, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(50_000, 2))
    image = Items(np.zeros((1, 200, 200), np.uint8), None)
    with pytest.raises(Refused, match=r"Layer '0' gives 2,000,000,000 values for one item of shape \[1, 200"):
        user_subject(wide.state_dict(), image, name="wide", allowed=ON_SERVER)


def test_candidates_that_take_too_much_are_left_out_and_the_others_stay() -> None:
    state = cnn()
    everything = network_candidates(state, input_shape=(1, 6, 6))
    most = max(one.multiplications for one in everything)
    some = network_candidates(state, input_shape=(1, 6, 6), allowed=RunLimits(multiplications=most - 1))
    assert 0 < len(some) < len(everything)
    assert all(one.multiplications < most for one in some)


def test_scores_of_all_items_are_counted() -> None:
    check_scores(1_000, 16_000, ON_SERVER)
    with pytest.raises(Refused, match="200,000 items with 10,000 classes make 2,000,000,000 scores"):
        check_scores(200_000, 10_000, ON_SERVER)


def test_choosing_uses_as_many_items_as_its_budget_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = network_candidates(cnn(), input_shape=(1, 6, 6))
    inputs, labels = torch.rand(40, 1, 6, 6), torch.arange(40) % 3
    each = sum(one.multiplications for one in candidates)
    assert "of 40 right" in best_candidate(candidates, inputs, labels).description
    monkeypatch.setattr(choosing, "MOST_MULTIPLICATIONS", 11 * each)
    assert "of 11 right" in best_candidate(candidates, inputs, labels).description
    monkeypatch.setattr(choosing, "MOST_MULTIPLICATIONS", 7 * each)
    assert best_candidate(candidates, inputs, labels).description == candidates[0].description


def test_weights_that_share_memory_are_apart_in_the_files_of_a_model() -> None:
    weight = torch.randn(4, 4)
    state = {"0.weight": weight, "2.weight": weight, "4.weight": torch.randn(9, 4)[2:5]}
    subject = user_subject(state, None, name="tied")
    again = read_bundle(bundle_of(subject))
    assert again.digest == subject.digest
    assert subject.nbytes == 4 * (16 + 16 + 12)
