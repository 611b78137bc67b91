"""Networks that end in softmax, log-softmax or sigmoid: told by their answers, no softmax comes twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.loading.items import Items
from compress_core.loading.load_checks.answer_form import kind_of
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import compare, evaluate, predict
from compress_core.measure.behavior.predictions import Predictions
from compress_core.recipe.reading import read_recipe
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.subject import Subject


class Ending(nn.Module):
    """Two layers, and what is done to the second one's answers."""

    def __init__(self, end: Callable[[Tensor], Tensor], classes: int = 4) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.a, self.b, self.end = nn.Linear(6, 16), nn.Linear(16, classes), end
        with torch.no_grad():
            self.b.weight *= 5

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.b(F.relu(self.a(x))))


def one_class_alone(x: Tensor) -> Tensor:
    return F.one_hot(x.argmax(1), x.shape[1]).float()


ENDS: dict[str, tuple[Callable[[Tensor], Tensor], AnswerKind]] = {
    "nothing": (lambda x: x, AnswerKind.SCORES),
    "relu": (F.relu, AnswerKind.SCORES),
    "softmax": (lambda x: x.softmax(1), AnswerKind.PROBABILITIES),
    "warm softmax": (lambda x: (x / 10).softmax(1), AnswerKind.PROBABILITIES),
    "one class alone": (one_class_alone, AnswerKind.PROBABILITIES),
    "log-softmax": (lambda x: x.log_softmax(1), AnswerKind.LOGARITHMS),
    "sigmoid": (torch.sigmoid, AnswerKind.SHARES),
    "sigmoid module": (nn.Sigmoid(), AnswerKind.SHARES),
    "log-sigmoid": (F.logsigmoid, AnswerKind.SCORES),
    "small scores": (lambda x: x.clamp(-9, 9) / 20 + 0.5, AnswerKind.SCORES),
    "sigmoid by hand": (lambda x: 1 / (1 + torch.exp(-x)), AnswerKind.SCORES),
}


def _subject(end: str, classes: int = 4) -> Subject:
    items = torch.randn(300, 6, generator=torch.Generator().manual_seed(1))
    labels = torch.randint(0, classes, (300,), generator=torch.Generator().manual_seed(2))
    return subject_from_network(Ending(ENDS[end][0], classes), Items(items.numpy(), labels.numpy()), "ending")


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("end", ENDS)
def test_what_a_network_ends_in_is_found_and_said(end: str, classes: int) -> None:
    subject = _subject(end, classes)
    assert subject.answers is ENDS[end][1]
    doubtful = end in {"small scores", "sigmoid by hand"}
    assert bool(subject.warnings) == (doubtful or subject.answers is not AnswerKind.SCORES)


@pytest.mark.parametrize("end", ["softmax", "log-softmax"])
def test_every_number_is_that_of_the_network_that_ends_in_scores(end: str) -> None:
    recipe = read_recipe("layers: [{match: a, steps: [{technique: uniform, bits: 3}]}]")
    found = []
    for ending in ("nothing", end):
        subject, store = _subject(ending), Store()
        numbers = evaluate(compress(subject, recipe, store), subject.split("validation"), store)
        found.append(
            {name: numbers[name].value for name in ("accuracy", "ece", "kl", "churn", "confidence_drift")}
        )
    assert found[0] == pytest.approx(found[1], rel=1e-3, abs=1e-5)


def test_taylor_removes_the_same_weights_behind_a_softmax_and_without() -> None:
    recipe = read_recipe("layers: [{match: a, steps: [{technique: taylor, sparsity: 0.5}]}]")
    zeros = [compress(_subject(end), recipe, Store()).values("a") == 0 for end in ("nothing", "softmax")]
    assert (zeros[0] == zeros[1]).double().mean() > 0.95


def test_a_share_for_each_class_is_its_confidence_and_no_distribution() -> None:
    subject, store = _subject("sigmoid"), Store()
    split = subject.split("validation")
    predictions = predict(Model.original(subject), split, store)
    with torch.no_grad():
        best = subject.network(split.inputs).amax(1)
    np.testing.assert_allclose(predictions.confidence, best, rtol=1e-6)
    numbers = evaluate(Model.original(subject), split, store)
    assert numbers["kl"].value is None
    assert "no distribution" in str(numbers["kl"].reason)
    assert numbers["ece"].value is not None


def test_tables_of_shares_leave_no_row_wrong() -> None:
    subject, store = _subject("sigmoid"), Store()
    model = compress(
        subject, read_recipe("layers: [{match: a, steps: [{technique: uniform, bits: 2}]}]"), store
    )
    compared = compare(model, subject.split("validation"), store)
    assert compared.reliability()["n"].sum() == 2 * len(subject.split("validation"))
    assert compared.changed_items()["confidence_before"].between(0, 1).all()


def test_answers_that_belie_their_kind_are_classes_without_confidence() -> None:
    rows = np.array([[0.2, 0.8], [0.5, 3.0], [np.nan, 1.0]], dtype=np.float32)
    labels = np.array([1, 1, 1])
    for kind in (AnswerKind.PROBABILITIES, AnswerKind.SHARES):
        told = Predictions(rows, labels, "validation", "items", "model", kind)
        assert told.predicted.tolist() == [1, 1, -1]
        assert told.has_confidence.tolist() == [True, False, False]
        compared = Comparison(told, told)
        assert compared.numbers["accuracy"].value == pytest.approx(2 / 3)
        assert compared.numbers["ece"].value is None
        assert compared.reliability()["n"].sum() == 2


def test_rows_that_are_not_finite_are_no_evidence() -> None:
    rows = torch.tensor([[0.25, 0.75], [torch.nan, torch.nan]])
    assert kind_of(rows) is AnswerKind.PROBABILITIES
    assert kind_of(rows[1:]) is AnswerKind.SCORES


@pytest.mark.parametrize("end", [lambda x: x[:, :1].sigmoid(), lambda x: x[:, 0]])
def test_one_answer_for_each_item_is_refused(end: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(Refused, match="one score for each of two or more classes"):
        subject_from_network(Ending(end), None, "ending", (6,))
