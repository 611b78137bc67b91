"""One item on its way through both models is the item that was evaluated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import predict
from compress_core.measure.behavior.item_pass import item_pass
from compress_core.recipe.reading import read_recipe
from dashboard.figures import item_answers
from tests.subjects import loaded_sample

STORE = Store()


@pytest.mark.parametrize(("name", "layer"), [("lenet5", "conv2"), ("vit", "head"), ("tabular", "fc1")])
def test_an_item_gets_the_answers_of_its_whole_split_and_the_output_of_the_module(
    name: str, layer: str
) -> None:
    subject = loaded_sample(name)
    split = subject.split("validation").first(20)
    recipe = f"layers: [{{match: {layer}, steps: [{{technique: magnitude, sparsity: 0.9}}]}}]"
    for model in (Model.original(subject), compress(subject, read_recipe(recipe), STORE)):
        found = item_pass(subject, model.network(), subject.layer(layer), split, 7)
        whole = predict(model, split, STORE)
        assert np.allclose(found.predictions.logits[0], whole.logits[7], atol=1e-4)
        assert found.output is not None
        assert torch.equal(found.output, _heard(model, layer, split.inputs[7:8]))


def _heard(model: Model, layer: str, item: torch.Tensor) -> torch.Tensor:
    heard: list[torch.Tensor] = []
    network = model.network()
    hook = network.get_submodule(layer).register_forward_hook(lambda _m, _i, output: heard.append(output))
    with torch.no_grad():
        network(item)
    hook.remove()
    return heard[0][0]


def test_a_layer_in_a_block_that_was_left_out_has_no_output() -> None:
    subject = loaded_sample("resnet")
    model = compress(subject, read_recipe("groups: [{match: layer2, steps: [drop_block]}]"), STORE)
    split = subject.split("validation").first(2)
    found = item_pass(subject, model.network(), subject.layer("layer2.conv1"), split, 0)
    assert found.output is None
    assert found.predictions.n == 1


def test_the_strongest_channels_of_the_original_are_shown_of_both() -> None:
    before = np.zeros((40, 5, 6), np.float32)
    before[3], before[30] = 2.0, -4.0
    after = np.where(before < 0, -1.0, before).astype(np.float32)
    (picture,) = item_answers.outputs("conv", before, after).figure.data
    upper, lower = np.nanmin(picture.z[:5]), np.nanmin(picture.z[-5:])
    assert (upper, lower) == (-4.0, -1.0)
    assert (picture.zmin, picture.zmax) == (-4.0, 4.0)


def test_the_figure_says_how_far_the_outputs_are_apart() -> None:
    drawn = item_answers.outputs("fc", np.array([3.0, 4.0]), np.array([3.0, 3.0]))
    assert "4.0 %" in drawn.alternative
