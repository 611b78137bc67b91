"""What is said at load of values that are not finite, and of answers that depend on the items beside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.loading.items import Items
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.predictions import Predictions
from compress_core.measure.explain.attribution import method_named
from compress_core.measure.explain.explanation import explain
from compress_core.recipe.reading import read_recipe
from compress_core.subject.subject import Subject


class Normed(nn.Module):
    """A layer, its norm, another layer."""

    def __init__(self, norm: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.fc, self.bn, self.out = nn.Linear(6, 8), norm or nn.BatchNorm1d(8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.bn(self.fc(x))))


def _loaded(network: nn.Module, items: Tensor | None = None) -> Subject:
    drawn = torch.randn(300, 6, generator=torch.Generator().manual_seed(1)) if items is None else items
    return subject_from_network(network, Items(drawn.numpy(), None), "mine")


def _with(name: str, value: float) -> nn.Module:
    network = Normed()
    network.state_dict()[name].view(-1)[:2] = value
    return network


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", ["fc.bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"])
def test_a_tensor_beside_the_weights_is_named_with_how_many_values(name: str, value: float) -> None:
    said = _loaded(_with(name, value)).warnings
    assert said[0] == f"{name} holds 2 values that are NaN or infinite: repair the model."


def test_a_weight_stands_among_the_problems_and_is_refused_by_name() -> None:
    subject = _loaded(_with("fc.weight", torch.nan))
    assert dict(subject.problems) == {"fc": 2}
    with pytest.raises(Refused, match="fc holds 2 weights that are NaN or infinite"):
        compress(subject, read_recipe("layers: [{match: fc, steps: [magnitude]}]"), Store())


def test_a_variance_below_zero_is_named() -> None:
    assert "bn.running_var holds 2 variances below 0" in _loaded(_with("bn.running_var", -1.0)).warnings[0]


def test_a_mask_that_is_infinite_on_purpose_and_the_softmax_behind_it_are_no_warning() -> None:
    class Masked(Normed):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mask", torch.zeros(8).index_fill_(0, torch.tensor([1, 2]), -torch.inf))
            self.soft = nn.Softmax(1)

        def forward(self, x: Tensor) -> Tensor:
            return 9 * self.out(self.soft(self.fc(x) + self.mask)) - 9

    assert not _loaded(Masked()).warnings


EMPTY: dict[str, Callable[[Tensor], Tensor]] = {
    "0 / 0": lambda x: x.sum(1, keepdim=True) / x.sum(1, keepdim=True),
    "infinite": lambda x: 1 / x.norm(dim=1, keepdim=True),
    "root": lambda x: (x.abs().sum(1, keepdim=True) - 1e-9).sqrt(),
}


@pytest.mark.parametrize("way", EMPTY)
def test_the_layer_that_some_items_break_is_named_with_how_many_of_them(way: str) -> None:
    class Mended(Normed):
        def forward(self, x: Tensor) -> Tensor:
            hidden = self.bn(F.relu(self.fc(x)) * EMPTY[way](x))
            return self.out(hidden.nan_to_num(0.0, 0.0, 0.0))

    items = torch.randn(300, 6, generator=torch.Generator().manual_seed(1))
    items[::10] = 0
    subject = _loaded(Mended(), items)
    broken = int((subject.splits["calibration"].inputs == 0).all(1).sum())
    assert 0 < broken < len(subject.splits["calibration"])
    assert f"bn meets NaN or infinite values on {broken} of 30 items" in subject.warnings[0]


def test_items_that_are_not_finite_are_counted() -> None:
    items = torch.randn(300, 6, generator=torch.Generator().manual_seed(1))
    items[::3] = torch.nan
    said = _loaded(Normed(), items).warnings
    assert sum(int(text.split(" ", 1)[0]) for text in said) == 100
    assert all("items hold NaN or infinite values" in text for text in said)


def test_a_sound_network_is_told_nothing() -> None:
    assert not _loaded(Normed()).warnings


class OfEachBatch(nn.Module):
    """A convolution and a norm that takes the statistics of each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4, track_running_stats=False)
        self.out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.bn(self.conv(x[:, None]))).mean(2))


def test_a_norm_without_running_statistics_is_named_and_not_folded() -> None:
    subject = _loaded(OfEachBatch())
    assert subject.warnings[0].startswith("bn has no running statistics")
    with pytest.raises(Refused, match=r"bn has no running statistics .* nothing fixed that could be folded"):
        compress(subject, read_recipe("prepare: [fold_batch_norm]"), Store())


def test_one_that_cannot_norm_a_single_item_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="bn has no running statistics and norms no item by itself"):
        _loaded(Normed(nn.BatchNorm1d(8, track_running_stats=False)))


class Centered(Normed):
    """It takes the mean over all items away."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(0))


class AlwaysTraining(Normed):
    """A norm by hand that always takes the statistics of the batch."""

    def forward(self, x: Tensor) -> Tensor:
        normed = F.batch_norm(self.fc(x).unflatten(1, (2, 4)), None, None, training=True)
        return self.out(F.relu(normed).flatten(1))


@pytest.mark.parametrize("network", [Centered, AlwaysTraining])
def test_answers_that_depend_on_the_items_beside_them_are_told(network: Callable[[], nn.Module]) -> None:
    (said,) = _loaded(network()).warnings
    assert "depends on the items beside it in a batch" in said


def test_an_instance_norm_has_no_running_statistics_and_needs_none() -> None:
    class Instance(Normed):
        def forward(self, x: Tensor) -> Tensor:
            return self.out(F.relu(self.bn(self.fc(x).unflatten(1, (2, 4))).flatten(1)))

    assert not _loaded(Instance(nn.InstanceNorm1d(2))).warnings


def test_what_answers_nothing_finite_is_not_explained_and_said_on_the_page() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)).eval()
    network[1].bias.data.fill_(float("nan"))
    rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    with pytest.raises(Refused, match="none of these items a finite answer"):
        list(explain(network, network, rows, method_named("saliency"), torch.zeros(1, 4), seed=0))
    answers = np.full((6, 2), np.nan, np.float32)
    silent = Predictions(answers, None, "validation", "items", "after")
    answers = answers.copy()
    answers[0] = 0, 1  # an original that answers nothing at all is compared with nothing
    nearly = Predictions(answers, None, "validation", "items", "before")
    page = AppTest.from_function(_unanswered, args=(Comparison(nearly, silent),)).run()
    assert ["leaves 5 without a finite answer" in box.value for box in page.warning] == [True]


def _unanswered(compared):  # type: ignore[no-untyped-def]
    from dashboard.behavior.verdict import _say_unanswered

    _say_unanswered(compared)
