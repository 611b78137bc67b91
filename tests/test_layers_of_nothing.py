"""Layers without inputs or without outputs: they hold no weight, and nothing stumbles over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply.run import compress
from compress_core.deliver.packed_file import read_packed, write_packed
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import evaluate
from compress_core.recipe.reading import read_recipe
from compress_core.subject.subject import Subject
from tests.subjects import seeded, tiny_subject, with_calibration


class NoOutputs(nn.Module):
    """One of two branches ends in nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.gone, self.out = nn.Linear(6, 8), nn.Linear(6, 0, bias=False), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(torch.cat([self.left(x), self.gone(x)], 1)))


class NoInputs(nn.Module):
    """A layer of which only the bias is left."""

    def __init__(self) -> None:
        super().__init__()
        self.gone, self.left, self.out = nn.Linear(0, 8), nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.left(x) + self.gone(x[:, :0])))


class NoWords(nn.Module):
    """An embedding of no width beside one that has some."""

    def __init__(self) -> None:
        super().__init__()
        self.gone, self.left, self.out = nn.Embedding(5, 0), nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        none = self.gone(x[:, 0].long() % 5)
        return self.out(F.relu(torch.cat([self.left(x), none], 1)))


pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
NETWORKS = (NoOutputs, NoInputs, NoWords)
RECIPES = (
    "layers: [{match: '*', steps: [low_rank]}]",
    "layers: [{match: '*', steps: [wanda, kmeans]}]",
    """layers: [{match: '*', steps: [{technique: magnitude, scope: network}, power_of_two]}]
correct: [bias_correction]""",
    "layers: [{match: '*', inputs: [static_range]}]",
    "groups: [{match: '*', steps: [magnitude]}]",
)


def _subject(make: Callable[[], nn.Module]) -> Subject:
    return with_calibration(tiny_subject(seeded(make()), (6,)))


@pytest.mark.parametrize("make", NETWORKS)
def test_it_is_left_alone_and_said_so(make: Callable[[], nn.Module]) -> None:
    subject = _subject(make)
    assert [layer.name for layer in subject.layers] == ["left", "out"]
    (left,) = subject.untouched
    assert left.name == "gone"
    assert "no inputs or no outputs" in left.reason


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("make", NETWORKS)
def test_every_kind_of_step_works_around_it(make: Callable[[], nn.Module], recipe: str) -> None:
    subject, store = _subject(make), Store()
    model = compress(subject, read_recipe(recipe), store)
    assert evaluate(model, subject.split("validation"), store)["accuracy"].value is not None


@pytest.mark.parametrize("make", [NoOutputs, NoWords])
def test_the_layers_around_it_are_equalized(make: Callable[[], nn.Module]) -> None:
    model = compress(_subject(make), read_recipe("prepare: [cross_layer_equalization]"), Store())
    assert model.base.structure.rescaled == ("left", "out")


@pytest.mark.parametrize("make", NETWORKS)
def test_a_packed_file_is_read_back(make: Callable[[], nn.Module], tmp_path: Path) -> None:
    subject = _subject(make)
    model = compress(subject, read_recipe(RECIPES[1]), Store())
    write_packed(model, tmp_path / "file")
    inputs = subject.split("validation").inputs
    assert torch.equal(read_packed(tmp_path / "file", subject)(inputs), model.network()(inputs))


@pytest.mark.parametrize("make", NETWORKS)
def test_a_rule_for_it_alone_names_the_layers_that_there_are(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(Refused, match="left, out"):
        compress(_subject(make), read_recipe("layers: [{match: gone, steps: [magnitude]}]"), Store())
