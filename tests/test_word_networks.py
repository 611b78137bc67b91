"""Networks that read words, whose items are whole numbers: rewrites are tried on real ones, however few."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply.base import groups_of
from compress_core.apply.run import compress
from compress_core.deliver.python_source import model_source
from compress_core.deliver.some_items import few_items
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.loading.items import Items
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.behavior.evaluate import evaluate
from compress_core.network.forward import shuffled_example
from compress_core.recipe.reading import read_recipe
from compress_core.subject.subject import Subject

WORDS = 30


class Bag(nn.Module):
    """The mean of words, a layer, its norm; numbers beyond the words are an error."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.fc, self.bn = nn.EmbeddingBag(WORDS, 8), nn.Linear(8, 12), nn.BatchNorm1d(12)
        self.out = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.bn(self.fc(self.words(x.long())))))


class Line(Bag):
    """Words one after the other through a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.fc = nn.Embedding(WORDS, 8), nn.Conv1d(8, 12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.bn(self.fc(self.words(x.long()).transpose(1, 2)))).mean(2))


class ByKeyword(Bag):
    """Every module is called by the name of its input."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(input=F.relu(self.bn(input=self.fc(input=self.words(input=x.long())))))


NETWORKS = (Bag, Line, ByKeyword)


def _subject(make: Callable[[], nn.Module], items: int) -> Subject:
    torch.manual_seed(3)
    network = make().eval()
    network.bn.running_mean.normal_()
    network.bn.running_var.uniform_(0.5, 2)
    given = None
    if items:
        drawn = torch.randint(0, WORDS, (items, 6), generator=torch.Generator().manual_seed(1)).float()
        given = Items(drawn.numpy(), network(drawn).argmax(1).numpy())
    return subject_from_network(network, given, "words", (6,))


@pytest.mark.parametrize("items", [1, 3, 200])
@pytest.mark.parametrize("make", NETWORKS)
@torch.no_grad()
def test_a_norm_behind_a_layer_is_folded_and_answers_stay(make: Callable[[], nn.Module], items: int) -> None:
    subject, store = _subject(make, items), Store()
    model = compress(subject, read_recipe("prepare: [fold_batch_norm]"), store)
    assert not any(isinstance(module, nn.BatchNorm1d) for module in model.network().modules())
    inputs = subject.split("validation").inputs
    torch.testing.assert_close(model.network()(inputs), subject.network(inputs), rtol=1e-4, atol=1e-5)
    assert evaluate(model, subject.split("validation"), store)["churn"].value == 0


@pytest.mark.parametrize("make", NETWORKS)
def test_without_items_nothing_shows_that_folding_changes_nothing(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(Refused, match="so that nothing shows whether it stays the same"):
        compress(_subject(make, 0), read_recipe("prepare: [fold_batch_norm]"), Store())


@pytest.mark.parametrize("items", [0, 1, 3])
@pytest.mark.parametrize("make", [Bag, Line])
def test_code_is_written_and_tried_on_as_few_items_as_there_are(
    make: Callable[[], nn.Module], items: int
) -> None:
    subject = _subject(make, items)
    model = compress(subject, read_recipe("layers: [{match: fc, steps: [uniform]}]"), Store())
    assert "class " in model_source(model).code
    assert few_items(subject).shape == (4, 6)
    assert set(few_items(subject).unique().tolist()) <= set(range(WORDS))


def test_channels_of_a_word_network_are_found_free() -> None:
    groups = groups_of(_subject(Bag, 3), (), Store())
    assert groups["fc"].locked is None


def test_a_norm_called_by_the_name_of_its_input_is_restated() -> None:
    subject = _subject(ByKeyword, 200)
    model = compress(subject, read_recipe("correct: [reestimate_batch_norm]"), Store())
    assert set(model.rest) == {"bn.running_mean", "bn.running_var"}
    assert not torch.equal(model.rest["bn.running_mean"], subject.network.bn.running_mean)


def test_whole_numbers_are_dealt_out_anew_whatever_their_type() -> None:
    generator = torch.Generator().manual_seed(0)
    words = torch.tensor([[3.0, 1.0, 4.0], [1.0, 5.0, 9.0]])
    assert shuffled_example(words, generator).flatten().sort().values.equal(words.flatten().sort().values)
    for others in (torch.zeros(2, 3), words / 7):
        assert not set(shuffled_example(others, generator).flatten().tolist()) & set(
            others.flatten().tolist()
        )


def test_a_network_that_takes_neither_kind_of_number_says_what_it_raised() -> None:
    words = torch.randint(0, WORDS, (20, 6), generator=torch.Generator().manual_seed(1)).numpy()
    with pytest.raises(Refused, match="does not run on an item"):
        subject_from_network(nn.Sequential(nn.Linear(7, 4)).eval(), Items(words, None), "narrow")
