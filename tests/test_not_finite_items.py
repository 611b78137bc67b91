"""NaN and infinity that only some items make: found where something is measured, and by layer and count."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply import run
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.tables.layer_inputs import activation_sparsity
from compress_core.recipe.reading import read_recipe
from compress_core.selection.scores import Scores
from compress_core.subject.subject import Subject
from tests.subjects import seeded, tiny_subject, with_calibration

BROKEN = 4
"""Of 16 calibration items these are all zeros, which the networks here cannot digest."""


class Mended(nn.Module):
    """What arrives at the second layer is not finite for empty items; the answers are, by nan_to_num."""

    def __init__(self, norm: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.two(F.relu(self.one(x)) * self.norm(x)))
        return self.three(hidden.nan_to_num(0.0, 0.0, 0.0))


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "0 / 0": lambda x: x.sum(1, keepdim=True) / x.sum(1, keepdim=True),
    "infinite": lambda x: 1 / x.norm(dim=1, keepdim=True),
    "logarithm": lambda x: -x.norm(dim=1, keepdim=True).log(),
}
CRITERIA = ("wanda", "sparsegpt", "taylor")


def _subject(way: str) -> Subject:
    subject = with_calibration(tiny_subject(seeded(Mended(WAYS[way])), (6,)), items=16)
    subject.splits["calibration"].inputs[:BROKEN] = 0
    return subject


@pytest.mark.parametrize("technique", CRITERIA)
@pytest.mark.parametrize("way", WAYS)
def test_a_criterion_refuses_the_layer_by_name_with_the_number_of_items(way: str, technique: str) -> None:
    recipe = read_recipe(f"layers: [{{match: two, steps: [{{technique: {technique}, sparsity: 0.25}}]}}]")
    with pytest.raises(Refused, match=rf"\btwo\b.* NaN or infinite .*on {BROKEN} of 16 calibration items"):
        compress(_subject(way), recipe, Store())


@pytest.mark.parametrize("technique", CRITERIA)
def test_a_layer_that_such_items_reach_mended_is_pruned_by_as_much_as_was_asked(technique: str) -> None:
    recipe = read_recipe(f"layers: [{{match: three, steps: [{{technique: {technique}, sparsity: 0.25}}]}}]")
    model = compress(_subject("0 / 0"), recipe, Store())
    assert int((model.values("three") == 0).sum()) == 6


@pytest.mark.parametrize("technique", ["gptq", "whitened_low_rank"])
def test_what_goes_by_the_inputs_of_a_layer_refuses_it_too(technique: str) -> None:
    recipe = read_recipe(f"layers: [{{match: two, steps: [{technique}]}}]")
    with pytest.raises(Refused, match=f"two reads NaN or infinite values on {BROKEN} of 16"):
        compress(_subject("infinite"), recipe, Store())


@pytest.mark.parametrize("technique", ["mean_activation", "zero_activations", "taylor", "wanda"])
def test_a_group_is_refused_by_the_layer_that_reads_such_values(technique: str) -> None:
    recipe = read_recipe(f"groups: [{{match: '*', steps: [{{technique: {technique}}}]}}]")
    with pytest.raises(Refused, match=rf"(at one|two) .*NaN or infinite .*on {BROKEN} of 16"):
        compress(_subject("logarithm"), recipe, Store())


def test_the_table_of_what_layers_read_leaves_it_out_with_the_reason() -> None:
    told = activation_sparsity(Model.original(_subject("0 / 0")), Store())
    assert set(told.by_layer) == {"one", "three"}
    assert f"on {BROKEN} of 16" in told.left_out["two"]


def test_a_static_range_is_not_fitted_to_such_values() -> None:
    recipe = read_recipe("layers: [{match: two, inputs: [static_range]}]")
    with pytest.raises(Refused, match="two gets inputs that are not finite"):
        compress(_subject("0 / 0"), recipe, Store())


def test_values_that_only_items_together_make_are_said_to_be_such() -> None:
    class Together(Mended):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x if len(x) == 1 else x / torch.tensor(0.0))

    subject = with_calibration(tiny_subject(seeded(Together(lambda x: x[:, :1])), (6,)), items=16)
    recipe = read_recipe("layers: [{match: one, steps: [wanda]}]")
    with pytest.raises(Refused, match="one reads NaN or infinite values when calibration items run together"):
        compress(subject, recipe, Store())


def test_scores_without_an_order_are_refused_rather_than_remove_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = torch.ones(8, 8)
    scores[0, :3] = torch.nan
    monkeypatch.setattr(run, "technique_result", lambda *_: Scores(scores))
    recipe = read_recipe("layers: [{match: two, steps: [wanda]}]")
    with pytest.raises(Refused, match="wanda gives two 3 scores that are NaN"):
        compress(_subject("0 / 0"), recipe, Store())
