"""What is asked of a network beside one of several classes: labels, real numbers, tokens, vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest, app_test
from torch import Tensor, nn

from compress_core import Refused, load, train
from compress_core import compress as core_compress
from compress_core.apply.run import compress
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.jobs.bundle import bundle_of, read_bundle
from compress_core.loading.items import Items, checked_items
from compress_core.loading.own_training import with_training
from compress_core.loading.user_model import subject_from_network, with_items
from compress_core.measure.behavior.evaluate import compare, evaluate
from compress_core.measure.behavior.metric import metrics, told_metrics
from compress_core.measure.behavior.predictions import Predictions, values_by_item
from compress_core.recipe.reading import read_recipe
from compress_core.subject.answer_kind import AnswerKind, PredictionTask
from compress_core.subject.judged_rows import NOT_COUNTED, judged_rows
from compress_core.subject.subject import Subject
from dashboard import opened, shared_value
from dashboard.figures.changes import per_class_change
from dashboard.job_panel import runner
from dashboard.links import encoded
from tests.navigated import Navigated
from tests.test_architecture import ROOT

PRUNED = "layers: [{match: a, steps: [{technique: magnitude, sparsity: 0.7}]}]"
WORDS = 30


class Two(nn.Module):
    """Two layers, [N, 8] -> [N, outputs]."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 32), nn.Linear(32, outputs)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.b(torch.relu(self.a(x)))
        return answer


class Speaker(nn.Module):
    """Scores of the next word at each place."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.a, self.b = nn.Embedding(WORDS, 16), nn.Linear(16, 32), nn.Linear(32, WORDS)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        assert attention_mask.shape == input_ids.shape
        return {"logits": self.b(torch.relu(self.a(self.words(input_ids))))}


class Sigmoid(Two):
    """Shares of labels."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(super().forward(x))


def _seeded(make: type[nn.Module], *arguments: int) -> Any:
    torch.manual_seed(5)
    return make(*arguments).eval()


def _table(items: int = 300) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(items, 8)).astype(np.float32)


def _speech(items: int = 300) -> dict[str, NDArray[np.int64]]:
    drawn = np.random.default_rng(2)
    mask = (np.arange(7)[None] < drawn.integers(3, 8, (items, 1))).astype(np.int64)
    words = [drawn.integers(0, WORDS, items)]
    for _ in range(6):
        follows = drawn.random(items) < 0.4  # the rest is chance, so that no two lines are the same
        words.append(np.where(follows, (7 * words[-1] + 3) % WORDS, drawn.integers(0, WORDS, items)))
    return {"input_ids": np.stack(words, axis=1), "attention_mask": mask}


@torch.no_grad()
def _subject(task: PredictionTask) -> Subject:
    x = _table()
    match task:
        case PredictionTask.REGRESSION:
            network = _seeded(Two, 2)
            noise = torch.randn(300, 2, generator=torch.Generator().manual_seed(3))
            items = checked_items(x, (network(torch.from_numpy(x)) + noise / 10).numpy())
        case PredictionTask.LABELS:
            network = _seeded(Two, 5)
            items = checked_items(x, (network(torch.from_numpy(x)) > 0).int().numpy())
        case PredictionTask.EMBEDDING:
            return subject_from_network(_seeded(Two, 6), checked_items(x, None), "vectors", task="embedding")
        case PredictionTask.TOKENS:
            speech = checked_items(_speech(), None)
            return subject_from_network(_seeded(Speaker), speech, "speaker", task="next_token")
        case _:
            network = _seeded(Two, 3)
            items = checked_items(x, network(torch.from_numpy(x)).argmax(1).numpy())
    return subject_from_network(network, items, task.value)


OTHERS = [task for task in PredictionTask if task is not PredictionTask.CLASSIFICATION]


@pytest.mark.parametrize("task", PredictionTask)
def test_the_task_is_told_by_answers_and_labels_or_by_its_name(task: PredictionTask) -> None:
    subject = _subject(task)
    assert subject.task is task
    again = read_bundle(bundle_of(subject)) if task is PredictionTask.CLASSIFICATION else subject
    assert again.answers is subject.answers


def test_a_network_that_is_opened_for_another_task_takes_nobody_s_place() -> None:
    network, items = _seeded(Two, 3), checked_items(_table(), None)
    subjects = [
        subject_from_network(network, items, "same", task=task) for task in ("classification", "embedding")
    ]
    assert subjects[0].digest == subjects[1].digest
    assert len({opened.user_model_name(subject) for subject in subjects}) == 2


@torch.no_grad()
def _numbers(task: PredictionTask) -> tuple[Mapping[str, Number], Tensor, Tensor, Subject]:
    """What was measured, and what plain calls of both networks answer on the same items."""
    subject, store = _subject(task), Store()
    model, split = compress(subject, read_recipe(PRUNED), store), subject.split("validation")
    before, after = (network(split.inputs) for network in (subject.network, model.network()))
    return evaluate(model, split, store), before.double(), after.double(), subject


def test_real_numbers_are_those_of_a_plain_loop() -> None:
    found, before, after, subject = _numbers(PredictionTask.REGRESSION)
    wanted = subject.split("validation").labels
    assert wanted is not None
    wanted = wanted.double()
    about = (wanted - wanted.mean(0)).square().sum()
    expected = {
        "mean_absolute_error": (after - wanted).abs().mean(),
        "error_change": (after - wanted).abs().mean() - (before - wanted).abs().mean(),
        "answer_shift": (after - before).abs().mean(),
        "explained_variance": 1 - (after - wanted).square().sum() / about,
        "kl": 0.5 * ((after - before) / before.std(0, correction=0)).square().sum(1).mean(),
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(float(value), rel=1e-5), name
    assert found["accuracy"].value is None
    assert "about classes" in str(found["accuracy"].reason)
    assert "perplexity" not in found


def test_several_labels_are_as_many_decisions() -> None:
    found, before, after, subject = _numbers(PredictionTask.LABELS)
    wanted = subject.split("validation").labels
    assert wanted is not None
    right, was = (after > 0) == (wanted > 0), (before > 0) == (wanted > 0)
    one, other = torch.sigmoid(before), torch.sigmoid(after)
    divergence = one * (one / other).log() + (1 - one) * ((1 - one) / (1 - other)).log()
    expected = {
        "accuracy": right.double().mean(),
        "items_all_right": right.all(1).double().mean(),
        "churn": ((after > 0) != (before > 0)).double().mean(),
        "accuracy_change": 100 * (right.double() - was.double()).mean(),
        "kl": divergence.mean(),
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(float(value), rel=1e-5), name
    assert found["accuracy"].n == len(wanted), "items, not decisions"
    assert found["mcnemar"].value is None


def test_perplexity_is_that_of_torch_and_padding_is_not_counted() -> None:
    found, _, after, subject = _numbers(PredictionTask.TOKENS)
    labels = subject.split("validation").labels
    assert labels is not None
    loss = nn.functional.cross_entropy(after.flatten(0, 1), labels.flatten(), ignore_index=NOT_COUNTED)
    assert found["perplexity"].value == pytest.approx(float(loss.exp()), rel=1e-5)
    counted = labels != NOT_COUNTED
    share = (after.argmax(2) == labels)[counted].double().mean()
    assert found["accuracy"].value == pytest.approx(float(share))


def test_the_next_word_is_the_label_where_both_are_there() -> None:
    subject, speech = _subject(PredictionTask.TOKENS), _speech()
    split = subject.split("validation")
    assert split.labels is not None
    rows = {
        tuple(row): label for row, label in zip(split.inputs.tolist(), split.labels.tolist(), strict=True)
    }
    for ids, mask in zip(speech["input_ids"].tolist(), speech["attention_mask"].tolist(), strict=True):
        label = rows.get((*ids, *mask))
        if label is not None:
            expected = [
                n if a and b else NOT_COUNTED for n, a, b in zip(ids[1:], mask, mask[1:], strict=False)
            ]
            assert label == [*expected, NOT_COUNTED]


def test_the_cosine_is_that_of_torch() -> None:
    found, before, after, _ = _numbers(PredictionTask.EMBEDDING)
    expected = nn.functional.cosine_similarity(before, after).mean()
    assert found["cosine_to_original"].value == pytest.approx(float(expected), rel=1e-6)
    assert found["kl"].value == pytest.approx(1 - float(expected), rel=1e-6)


@pytest.mark.parametrize("task", OTHERS)
def test_another_process_asks_the_same(task: PredictionTask) -> None:
    subject = _subject(task)
    card = bundle_of(subject)["card.json"]
    assert subject.answers.value.encode() in card


def test_shares_behind_a_sigmoid_are_taken_as_they_are() -> None:
    x = _table()
    network = _seeded(Sigmoid, 4)
    with torch.no_grad():
        shares = network(torch.from_numpy(x))
    subject = subject_from_network(network, checked_items(x, (shares > 0.5).int().numpy()), "shares")
    assert subject.answers is AnswerKind.LABEL_SHARES
    rows = judged_rows(shares, None, subject.answers)
    assert torch.allclose(rows.answers.softmax(1)[:, 1], shares.flatten(), atol=1e-6)


def test_the_interval_of_decisions_is_that_of_their_items() -> None:
    """Ten equal copies of each decision say no more than one: intervals stay as wide, and the mean stays."""
    values = np.random.default_rng(0).normal(size=60)
    items = np.arange(60)
    once = values_by_item(values, None)
    often = values_by_item(np.repeat(values, 10), np.repeat(items, 10))
    assert np.allclose(often, once)
    uneven = np.repeat(items, items % 4 + 1)
    drawn = np.random.default_rng(1).normal(size=len(uneven))
    assert values_by_item(drawn, uneven).mean() == pytest.approx(drawn.mean())


@pytest.mark.parametrize(
    ("task", "labels", "says"),
    [
        ("regression", np.zeros((300, 3), np.float32), "For regression the labels must be"),
        ("labels", np.zeros(300, np.int64), "For labels the labels must be"),
        ("labels", np.full((300, 2), 2), "go from 2 to 2, but each says whether a label holds: it is 0 or 1"),
        ("embedding", np.zeros(300, np.int64), "left out"),
        ("classification", np.full(300, 0.5, np.float32), "For classification the labels must be"),
        (None, np.full(300, 0.5, np.float32), r"must be \[N, 2\], real numbers, since it answers 2 values"),
        (None, np.full(300, 1e20, np.float32), "which are no numbers of classes"),
        (None, np.full(300, 5, np.float32), "go up to 5, but the network has 2 classes"),
        ("tokens", None, "one score for each class at each place"),
    ],
)
def test_labels_and_answers_of_another_task_are_refused(task: Any, labels: Any, says: str) -> None:
    items = checked_items(_table(), labels)
    with pytest.raises(Refused, match=says):
        subject_from_network(_seeded(Two, 2), items, "other", task=task)


def test_numbers_of_classes_may_come_as_real_ones_without_fractions() -> None:
    labels = np.arange(300) % 2
    for task in (None, "classification"):
        items = checked_items(_table(), labels.astype(np.float32))
        subject = subject_from_network(_seeded(Two, 2), items, "two", task=task)  # type: ignore[arg-type]
        assert subject.answers.task is PredictionTask.CLASSIFICATION
        whole = subject_from_network(_seeded(Two, 2), checked_items(_table(), labels), "two")
        for name, split in whole.splits.items():
            assert torch.equal(subject.splits[name].labels, split.labels)  # type: ignore[arg-type]


def test_no_refusal_of_labels_advises_the_task_that_was_asked_for() -> None:
    items = checked_items(_table(), np.full(300, 0.5, np.float32))
    with pytest.raises(Refused) as refused:
        subject_from_network(_seeded(Two, 2), items, "two", task="regression")
    advised = str(refused.value).partition("task=")[2]
    assert "embedding" in advised
    assert "regression" not in advised


class EachPlace(nn.Module):
    """A class at each of so many places that come in."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(9, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        answered: Tensor = self.head(self.words(x))
        return answered


@pytest.mark.parametrize("task", [None, "tokens"])
@pytest.mark.parametrize("places", [4, 8])
def test_labels_of_other_places_than_the_answers_are_refused_with_both_shapes(task: Any, places: int) -> None:
    words = np.random.default_rng(0).integers(0, 9, (20, 6))
    says = rf"labels are \[N, {places}\], but the network answers \[N, 6, 3\]"
    with pytest.raises(Refused, match=says):
        load(EachPlace(), words, np.zeros((20, places), np.int64), task=task)
    subject = load(EachPlace(), words, np.zeros((20, 6), np.int64), task=task)
    with pytest.raises(Refused, match=says):
        with_items(subject, checked_items(words, np.zeros((20, places), np.int64)))
    with pytest.raises(Refused, match=says):
        with_training(subject, checked_items(words + 0, np.zeros((20, places), np.int64)))


def test_labels_of_nothing_that_is_judged_are_refused_as_such() -> None:
    words = np.random.default_rng(0).integers(0, 9, (20, 6))
    with pytest.raises(Refused, match=r"All labels \[20, 6\] are -100"):
        load(EachPlace(), words, np.full((20, 6), -100))


def test_labels_beside_the_next_words_are_refused() -> None:
    words = np.random.default_rng(0).integers(0, 3, (20, 6))
    with pytest.raises(Refused, match="follow from the words, but the items hold labels, int64"):
        load(EachPlace(), words, np.zeros((20, 6), np.int64), task="next_token")


@pytest.mark.parametrize("task", ["regression", "tokens"])
def test_a_sample_model_is_asked_for_what_it_was_made_for(task: Any) -> None:
    with pytest.raises(Refused, match=f"a sample model for classification, but was asked for {task}"):
        load("tabular", task=task)
    assert load("tabular", task="classification").answers.task is PredictionTask.CLASSIFICATION


def test_an_unknown_task_is_refused_with_those_there_are() -> None:
    with pytest.raises(Refused, match="next_token, embedding, but got 'guess'"):
        load(_seeded(Two, 2), _table(), task="guess")  # type: ignore[arg-type]  # on purpose


def test_other_items_of_a_language_model_get_their_next_words_too() -> None:
    subject = _subject(PredictionTask.TOKENS)
    other = with_items(subject, checked_items(_speech(40), None))
    assert other.split("validation").labels is not None


def test_classes_are_not_asked_of_answers_that_are_none() -> None:
    values = Predictions(np.ones((3, 1), np.float32), None, "test", "items", "key", AnswerKind.VALUES)
    with pytest.raises(Refused, match="real numbers, which are neither right nor wrong"):
        _ = values.predicted
    assert values.correct is None


@torch.no_grad()
def test_items_are_told_by_their_own_numbers_where_they_hold_several_decisions() -> None:
    subject, store = _subject(PredictionTask.LABELS), Store()
    model, split = compress(subject, read_recipe(PRUNED), store), subject.split("validation")
    compared = compare(model, split, store)
    before, after = (network(split.inputs) > 0 for network in (subject.network, model.network()))
    changed = (before != after).any(1).nonzero()[:, 0]
    assert compared.items_changed.tolist() == changed.tolist()
    rows = compared.changed_items()
    assert {(i, p) for i, p in zip(rows["item"], rows["part"], strict=True)} == set(
        map(tuple, (before != after).nonzero().tolist())
    )
    assert compared.per_class()["n"].to_list() == [len(split)] * 5, "a row for each label"
    assert compared.before.item_count == len(split)


@pytest.mark.parametrize("task", PredictionTask)
def test_every_metric_of_a_task_is_measured_or_says_why_not(task: PredictionTask) -> None:
    subject, store = _subject(task), Store()
    found = compare(compress(subject, read_recipe(PRUNED), store), subject.split("validation"), store).numbers
    assert set(found) == set(told_metrics(task))
    for name, number in found.items():
        assert number.value is not None or number.reason, name
        if task in metrics()[name].tasks and not metrics()[name].needs_labels:
            assert number.value is not None, name


def _to_train_on(task: PredictionTask) -> Items:
    if task is PredictionTask.TOKENS:
        return checked_items({name: values[300:] for name, values in _speech(500).items()}, None)
    x = np.random.default_rng(9).normal(size=(200, 8)).astype(np.float32)
    with torch.no_grad():
        answers = _subject(task).network(torch.from_numpy(x))
    return checked_items(x, (answers > 0).int().numpy() if task is PredictionTask.LABELS else answers.numpy())


@pytest.mark.parametrize("method", ["fine_tune", "distill"])
@pytest.mark.parametrize("task", [PredictionTask.TOKENS, PredictionTask.LABELS])
def test_training_learns_the_decisions(task: PredictionTask, method: str) -> None:
    subject = with_training(_subject(task), _to_train_on(task))
    trained = train(core_compress(subject, PRUNED), method, epochs=3)
    losses = [figures.loss for figures in trained.history]
    assert losses[-1] < losses[0]


PAGES = (
    "start",
    "tune",
    "weights",
    "behavior",
    "explain",
    "recover",
    "trade_offs",
    "deploy",
    "review",
    "learn",
)


@pytest.fixture
def handed_over(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(app_test, "PagesManager", Navigated)
    given = opened.hand_over(_subject(request.param), None)
    yield given.name
    opened.withdraw(given)
    runner().close()
    shared_value.clear_all()


def _speaks_of_no_class(page: str, app: AppTest) -> None:
    """What is shown where answers are no classes asks for none."""
    if page == "review":
        (asked,) = (found.value for found in app.table if "Counts" in found.value)
        gates = asked["Gate"].tolist()
        assert len(gates) == 2
        assert not any(word in gate for gate in gates for word in ("ccuracy", "class", "Churn"))
    if page == "recover":
        asked = " ".join(found.value for found in app.info)
        assert "came without items to train on" in asked
    if page == "deploy":
        assert not any("accuracy" in found.value for found in app.caption)
    if page == "trade_offs":
        up = next(found for found in app.selectbox if found.label == "Up").value
        assert up in {"mean_absolute_error", "cosine_to_original"}


def _explained(app: AppTest, task: PredictionTask) -> None:
    """The page says what is explained, and offers what can explain it."""
    said = " ".join(found.value for found in app.caption)
    assert {
        PredictionTask.REGRESSION: "a larger **value 0**",
        PredictionTask.LABELS: "the label that the original is surest of",
        PredictionTask.EMBEDDING: "the vector that the original makes of this item",
        PredictionTask.TOKENS: "the class that the original predicts",
    }[task] in said
    if task in {PredictionTask.REGRESSION, PredictionTask.EMBEDDING}:
        assert "the class" not in said
        assert not any("predict" in found.label for found in app.metric)
    methods = next(found for found in app.button_group if found.label == "Method").options
    assert len(methods) == (2 if task is PredictionTask.EMBEDDING else 4)
    assert ("not on offer" in said) is (task is PredictionTask.EMBEDDING)


@pytest.mark.slow
@pytest.mark.parametrize("handed_over", OTHERS, indirect=True)
def test_every_page_stands_for_every_task(handed_over: str, request: pytest.FixtureRequest) -> None:
    subject_task = request.node.callspec.params["handed_over"]
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90)
    app.query_params["m"] = handed_over
    app.query_params["r"] = encoded([["a", [{"technique": "magnitude", "sparsity": 0.7}]]])
    app.query_params["lang"] = "en"
    app.run()
    titles: set[str] = set()
    for page in PAGES:
        app = app.switch_page(f"pages/{page}.py").run()
        assert not app.exception, (page, [e.message for e in app.exception])
        titles |= {title.value for title in app.title}
        if subject_task in {PredictionTask.REGRESSION, PredictionTask.EMBEDDING}:
            _speaks_of_no_class(page, app)
        if page == "explain":
            _explained(app, subject_task)
    assert len(titles) >= len(PAGES) - 1, titles


@pytest.mark.parametrize("task", [PredictionTask.LABELS, PredictionTask.TOKENS])
def test_no_interval_of_a_class_is_said_that_is_not_known(task: PredictionTask) -> None:
    subject, store = _subject(task), Store()
    compared = compare(compress(subject, read_recipe(PRUNED), store), subject.split("validation"), store)
    classes = compared.per_class()
    drawn = per_class_change(classes, subject.classes)
    assert "nan" not in drawn.alternative
    known = bool(np.isfinite(classes["low"].to_numpy(np.float64)).any())
    assert known is (task is PredictionTask.LABELS)
    assert ("no intervals" in drawn.alternative) is not known
    assert ("customdata[0]" in drawn.figure.data[0].hovertemplate) is known
