"""Criteria that need gradients: where none reaches a layer, or none says anything, they refuse it by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.recipe.reading import read_recipe
from tests.subjects import seeded, tiny_subject, with_calibration


class CutOff(nn.Module):
    """Two layers between which something happens to the gradient, and one that is not used."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.back, self.head, self.unused = nn.Linear(6, 8), nn.Linear(8, 3), nn.Linear(6, 3)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        self.unused(x)
        return self.head(self.between(self.back(x)))


def without_gradients(x: Tensor) -> Tensor:
    with torch.no_grad():
        return x * 2


def largest(x: Tensor) -> Tensor:
    return F.one_hot(x.argmax(1), x.shape[1]).float()


NONE = "No gradient reaches {layer}: "
ZERO = "The gradient at {layer} is exactly 0 on all 16 calibration items"
CUTS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "detached": (Tensor.detach, NONE),
    "run without gradients": (without_gradients, NONE),
    "the largest alone": (largest, NONE),
    "compared": (lambda x: (x > 0).float(), NONE),
    "rounded": (torch.round, ZERO),
    "signs": (torch.sign, ZERO),
    "saturated": (lambda x: x.clamp(-1e-9, 1e-9), ZERO),
}


def _pruned(network: nn.Module, match: str, rest: str = "") -> dict[str, Tensor]:
    subject = with_calibration(tiny_subject(seeded(network), (6,)), items=16)
    recipe = f"layers: [{{match: {match}, steps: [{{technique: taylor, sparsity: 0.25}}]}}]{rest}"
    model = compress(subject, read_recipe(recipe), Store())
    return {name: model.values(name) for name in model.compressed}


@pytest.mark.parametrize("cut", CUTS)
def test_a_layer_that_no_gradient_tells_of_is_refused_by_name(cut: str) -> None:
    between, reason = CUTS[cut]
    with pytest.raises(Refused) as refused:
        _pruned(CutOff(between), "back")
    assert str(refused.value).startswith(reason.format(layer="back"))


@pytest.mark.parametrize("cut", CUTS)
def test_a_layer_behind_the_cut_is_pruned_all_the_same(cut: str) -> None:
    assert int((_pruned(CutOff(CUTS[cut][0]), "head")["head"] == 0).sum()) == 6


def test_a_layer_whose_answer_nobody_reads_is_refused_by_name() -> None:
    with pytest.raises(Refused, match=r"^No gradient reaches unused: "):
        _pruned(CutOff(F.relu), "unused")


def test_a_network_that_runs_without_gradients_as_a_whole_is_refused_by_the_name_of_the_layer() -> None:
    class Whole(CutOff):
        @torch.no_grad()
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)

    with pytest.raises(Refused, match=r"^No gradient reaches head: "):
        _pruned(Whole(F.relu), "head")


def test_a_part_in_inference_mode_is_one_sentence() -> None:
    class Inside(CutOff):
        def forward(self, x: Tensor) -> Tensor:
            with torch.inference_mode():
                hidden = self.back(x)
            return self.head(hidden)

    with pytest.raises(Refused, match="Inference tensors cannot be saved for backward"):
        _pruned(Inside(F.relu), "back")


def test_frozen_parameters_have_gradients_all_the_same() -> None:
    free, frozen = CutOff(F.relu), CutOff(F.relu).requires_grad_(requires_grad=False)
    torch.testing.assert_close(_pruned(free, "back"), _pruned(frozen, "back"), rtol=0, atol=0)


def test_groups_of_channels_are_refused_by_the_same_reason() -> None:
    subject = with_calibration(tiny_subject(seeded(CutOff(Tensor.detach)), (6,)), items=16)
    recipe = read_recipe("groups: [{match: '*', steps: [{technique: taylor, share_removed: 0.5}]}]")
    with pytest.raises(Refused):
        compress(subject, recipe, Store())
