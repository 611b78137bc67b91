"""What is learned from answers of each kind: losses against plain formulas, the best epoch, the way back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import Tensor, nn
from torch.nn import functional as F

import compress_core
from compress_core import Refused
from compress_core.apply.model import Model
from compress_core.cli import training as cli_training
from compress_core.face.page_process import PageRequest
from compress_core.face.train_compressed import Training
from compress_core.foundation.store import Store
from compress_core.jobs.bundle import bundle_of, read_bundle
from compress_core.loading.asked_answers import TaskName
from compress_core.loading.items import Items, checked_items
from compress_core.loading.own_training import own_training, with_training
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.behavior.evaluate import evaluate, predicted_once
from compress_core.measure.behavior.predictions import Predictions
from compress_core.subject.answer_kind import AnswerKind, PredictionTask
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.training.expected_time import expected_seconds
from compress_core.training.method import training_method_named, training_methods
from compress_core.training.objective import TrainingObjective
from compress_core.training.objective_of_kind import objective_of
from compress_core.training.plan import parse_plan
from tests.subjects import loaded_sample
from tests.test_cli_train import run
from tests.test_tasks import Sigmoid, Speaker, Two, _seeded, _speech

KINDS = [kind for kind in AnswerKind if kind is not AnswerKind.LOGARITHMS]
MAPS = "keep_attributions"


def pruned(share: float) -> dict[str, Any]:
    return {"layers": [{"match": "*", "steps": [{"technique": "magnitude", "sparsity": share}]}]}


class Softmax(Two):
    """Probabilities of classes."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).softmax(1)


@torch.no_grad()
def answered(network: nn.Module, x: Any, kind: AnswerKind) -> Any:
    """Labels that the network all but gets right."""
    out = network(torch.from_numpy(x))
    match kind.task:
        case PredictionTask.EMBEDDING:
            return None
        case PredictionTask.REGRESSION:
            return (out + 0.1 * torch.randn(out.shape, generator=torch.Generator().manual_seed(3))).numpy()
        case PredictionTask.LABELS:
            return (out > (0.5 if kind is AnswerKind.LABEL_SHARES else 0)).int().numpy()
    return out.argmax(1).numpy()


@cache
def subject_of(kind: AnswerKind) -> Subject:
    """A small network that answers so, with items to train on that it was not judged by."""
    if kind is AnswerKind.TOKEN_SCORES:
        said = _speech(400)
        judged, learned = (
            checked_items({name: rows[part] for name, rows in said.items()}, None)
            for part in (slice(300), slice(300, None))
        )
        return with_training(subject_from_network(_seeded(Speaker), judged, "s", task="next_token"), learned)
    shares = {AnswerKind.SHARES, AnswerKind.LABEL_SHARES}
    form = Sigmoid if kind in shares else Softmax if kind is AnswerKind.PROBABILITIES else Two
    network, x = _seeded(form, 3), np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32)
    y = answered(network, x, kind)
    judged = checked_items(x[:300], None if y is None else y[:300])
    task: TaskName | None = "embedding" if y is None else "classification" if y.ndim == 1 else None
    subject = subject_from_network(network, judged, kind.value, task=task)
    return with_training(subject, checked_items(x[300:], None if y is None else y[300:]))


def objective_with(kind: AnswerKind, labels: Tensor | None, teacher: Tensor | None) -> TrainingObjective:
    inputs = torch.zeros(len(labels if labels is not None else teacher), 1)  # type: ignore[arg-type]
    return objective_of(kind).of_items(Split("training", inputs, labels), teacher)


def slope(loss: Tensor, at: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss, at)
    return found.double()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


@pytest.mark.parametrize("kind", KINDS)
def test_a_subject_of_each_kind_is_what_its_name_says(kind: AnswerKind) -> None:
    assert subject_of(kind).answers is kind


# What a loss is and how steep, by formulas of their own


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_is_as_steep_as_probabilities_less_labels(smoothing: float) -> None:
    scores, labels = drawn(6, 4), torch.arange(6) % 4
    wanted = (1 - smoothing) * F.one_hot(labels, 4) + smoothing / 4
    loss = objective_of(AnswerKind.SCORES).label_loss(scores, labels, smoothing)
    torch.testing.assert_close(slope(loss, scores), ((scores.softmax(1) - wanted) / 6).double())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_several_labels_have_the_binary_cross_entropy_of_each(smoothing: float) -> None:
    scores, labels = drawn(6, 4), (drawn(6, 4, seed=1) > 0).long()
    objective = objective_of(AnswerKind.LABEL_SCORES)
    rows = objective.rows(objective.answers(scores), labels)
    assert rows.labels is not None
    loss = objective.label_loss(rows.answers, rows.labels, smoothing)
    wanted = (1 - smoothing) * labels + smoothing / 2
    assert loss.item() == pytest.approx(
        F.binary_cross_entropy_with_logits(scores, wanted.float()).item(), rel=1e-6
    )
    torch.testing.assert_close(slope(loss, scores), ((scores.sigmoid() - wanted) / 24).double())


@pytest.mark.parametrize("kind", [AnswerKind.SHARES, AnswerKind.LABEL_SHARES])
def test_shares_behind_a_sigmoid_learn_as_the_scores_before_it(kind: AnswerKind) -> None:
    scores = drawn(6, 4)
    classes = torch.arange(6) % 4
    wanted = F.one_hot(classes, 4)
    objective = objective_of(kind)
    rows = objective.rows(
        objective.answers(scores.sigmoid()), classes if kind is AnswerKind.SHARES else wanted
    )
    assert rows.labels is not None
    loss = objective.label_loss(rows.answers, rows.labels, 0.0)
    torch.testing.assert_close(slope(loss, scores), ((scores.sigmoid() - wanted) / 24).double())


def test_shares_of_exactly_0_and_1_are_learned_from_without_an_infinity() -> None:
    shares = torch.tensor([[0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    objective = objective_of(AnswerKind.LABEL_SHARES)
    rows = objective.rows(objective.answers(shares), torch.tensor([[1, 0], [1, 0]]))
    assert rows.labels is not None
    loss = objective.label_loss(rows.answers, rows.labels, 0.0)
    assert torch.isfinite(loss)
    assert torch.isfinite(slope(loss, shares)).all()


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_labels_are_taught_by_the_divergence_of_each(temperature: float) -> None:
    scores, teacher = drawn(6, 4), drawn(6, 4, seed=1).detach()
    objective = objective_of(AnswerKind.LABEL_SCORES)
    student, told = (objective.rows(each, None).answers for each in (scores, teacher))
    loss = objective.teacher_loss(student, told, temperature)
    p, q = (teacher / temperature).sigmoid(), (scores / temperature).sigmoid()
    by_hand = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    assert loss.item() == pytest.approx(temperature**2 * by_hand.mean().item(), rel=1e-5)
    torch.testing.assert_close(
        slope(loss, scores), (temperature * (q - p) / 24).double(), rtol=1e-4, atol=1e-6
    )


def test_classes_are_taught_by_the_divergence_of_all() -> None:
    scores, teacher = drawn(6, 4), drawn(6, 4, seed=1).detach()
    loss = objective_of(AnswerKind.SCORES).teacher_loss(scores, teacher, 4.0)
    by_hand = 4 * ((scores / 4).softmax(1) - (teacher / 4).softmax(1)) / 6
    torch.testing.assert_close(slope(loss, scores), by_hand.double(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_values_have_the_squared_error_in_variances_whatever_their_unit(unit: float) -> None:
    labels = unit * (drawn(50, 2, seed=2) * torch.tensor([1.0, 30.0]) + 7).detach()
    noise = drawn(50, 2)
    spread = labels.double().std(0, correction=0)
    answers = (labels + noise * spread.float()).detach().requires_grad_()
    objective = objective_with(AnswerKind.VALUES, labels, None)
    loss = objective.label_loss(answers, labels, 0.0)
    assert loss.item() == pytest.approx(noise.square().mean().item(), rel=1e-3)
    by_hand = 2 * (answers.double() - labels) / spread.square() / 100
    torch.testing.assert_close(slope(loss, answers), by_hand, rtol=1e-4, atol=1e-9)


def test_what_the_mean_of_the_labels_gets_is_1_and_a_value_that_never_changes_is_in_its_own_unit() -> None:
    labels = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    objective = objective_with(AnswerKind.VALUES, labels, None)
    mean = labels.mean(0).expand(2, 2)
    assert objective.label_loss(mean, labels, 0.0).item() == pytest.approx(0.5)  # 1 and 0
    assert objective.label_loss(mean + torch.tensor([0.0, 2.0]), labels, 0.0).item() == pytest.approx(2.5)


def test_values_are_taught_in_variances_of_what_the_teacher_answers() -> None:
    answers, teacher = drawn(50, 2), (100 * drawn(50, 2, seed=1)).detach()
    objective = objective_with(AnswerKind.VALUES, torch.randn(50, 2), teacher)
    spread = teacher.double().std(0, correction=0)
    by_hand = 2 * (answers.double() - teacher) / spread.square() / 100
    for temperature in (1.0, 4.0):
        found = slope(objective.teacher_loss(answers, teacher, temperature), answers)
        torch.testing.assert_close(found, by_hand, rtol=1e-4, atol=1e-9)


def test_vectors_are_taught_by_1_less_the_cosine() -> None:
    answers, teacher = drawn(5, 7), drawn(5, 7, seed=1).detach()
    loss = objective_of(AnswerKind.VECTORS).teacher_loss(answers, teacher, 1.0)
    length = answers.norm(dim=1, keepdim=True)
    one, other = answers / length, teacher / teacher.norm(dim=1, keepdim=True)
    cosine = (one * other).sum(1, keepdim=True)
    assert loss.item() == pytest.approx((1 - cosine).mean().item(), abs=1e-6)
    by_hand = -(other - cosine * one) / length / 5
    torch.testing.assert_close(slope(loss, answers), by_hand.double(), rtol=1e-4, atol=1e-6)


# Each method on each kind of answer


def knobs_for(method: str) -> dict[str, Any]:
    """What makes one short training of a network that nobody compressed."""
    if training_method_named(method).function().parametrization is not None:
        return {"bits": 4}
    return {"epochs": 3} if method == "rewind" else {}


def short(kind: AnswerKind, method: str) -> Training:
    beside = ["distill"] if kind is AnswerKind.VECTORS and method not in {"distill", "fine_tune"} else []
    knobs = {"epochs": 1, "batch_size": 50, **knobs_for(method)}
    return compress_core.train(subject_of(kind), [*beside, method], store=Store(), **knobs)


@pytest.mark.parametrize("method", training_methods())
@pytest.mark.parametrize("kind", KINDS)
def test_every_method_trains_every_kind_of_answer_or_says_why_not(kind: AnswerKind, method: str) -> None:
    why = {
        (AnswerKind.VECTORS, "fine_tune"): "vectors, which have no labels, .* take distill",
        (AnswerKind.VECTORS, MAPS): "at its own vector the cosine is at its largest",
        (AnswerKind.TOKEN_SCORES, MAPS): "an item holds several decisions",
    }.get((kind, method))
    if why is not None:
        with pytest.raises(Refused, match=why):
            short(kind, method)
        return
    found = short(kind, method)
    assert found.ended is None
    said = found.history[-1]
    assert np.isfinite(said.loss)
    assert said.metric == objective_of(kind).metric_name
    measured = evaluate(found.model, found.model.subject.split("validation"), Store())[said.metric]
    assert found.history[found.epoch - 1].score.value == pytest.approx(measured.value)
    assert said.metric in found.frame().columns


@pytest.mark.parametrize("kind", KINDS)
def test_how_long_it_takes_is_told_of_every_kind(kind: AnswerKind) -> None:
    plan = parse_plan({"epochs": 1, "methods": ["distill"]})
    assert expected_seconds(Model.original(subject_of(kind)), plan, Store()).value


# The best epoch


def right_and_wrong(answered: Predictions) -> tuple[Any, Any]:
    """Answers [N, C] that are right for every item, and others that are wrong."""
    if answered.labels is not None:
        right = np.eye(answered.logits.shape[1])[answered.labels]
        return right, np.roll(right, 1, axis=1)
    if answered.wanted is not None:
        return answered.wanted, answered.wanted[::-1]
    return answered.logits, -answered.logits


@pytest.mark.parametrize(
    ("kind", "qualities"),
    [(kind, order) for kind in KINDS for order in ([0.1, 0.9, 0.5], [0.9, 0.5, 0.1], [0.1, 0.5, 0.9])],
    ids=str,
)
def test_the_epoch_that_answers_best_is_given(
    kind: AnswerKind, qualities: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: after each epoch the model answers well or badly, whatever it has learned."""
    left = iter(qualities)

    def planted(model: Model, split: Split, store: Store) -> Predictions:
        after = predicted_once(model, split, store)
        good, bad = right_and_wrong(after)
        is_right = np.arange(len(good)) < next(left) * len(good)
        return replace(after, logits=np.where(is_right[:, None], good, bad).astype(np.float32))

    monkeypatch.setattr("compress_core.training.epoch_end.predicted_once", planted)
    method = "distill" if kind is AnswerKind.VECTORS else "fine_tune"
    found = compress_core.train(subject_of(kind), method, epochs=3, batch_size=50, store=Store())
    assert found.epoch == 1 + int(np.argmax(qualities))


# What is refused


def refused(kind: AnswerKind, method: Any, match: str, **knobs: Any) -> None:
    with pytest.raises(Refused, match=match):
        compress_core.train(subject_of(kind), method, epochs=1, store=Store(), **knobs)


@pytest.mark.parametrize("method", ["fine_tune", "l1", "gradual"])
def test_what_learns_from_labels_refuses_vectors_and_names_distillation(method: str) -> None:
    refused(AnswerKind.VECTORS, method, "take distill")


@pytest.mark.parametrize(
    ("kind", "method", "knobs"),
    [
        (AnswerKind.VALUES, "fine_tune", {"smoothing": 0.1}),
        (AnswerKind.VALUES, "distill", {"temperature": 2.0}),
        (AnswerKind.VECTORS, "distill", {"temperature": 2.0}),
        (AnswerKind.VALUES, "distill", {"divergence": "decoupled"}),
        (AnswerKind.VECTORS, "distill", {"others_weight": 2.0}),
        (AnswerKind.VECTORS, "distill", {"share": 0.5}),
    ],
    ids=str,
)
def test_a_knob_that_would_change_nothing_is_refused_by_name(
    kind: AnswerKind, method: str, knobs: Mapping[str, Any]
) -> None:
    (name,) = knobs
    refused(kind, method, f"{name} of {method} changes nothing of a training for {kind.task.value}", **knobs)


def test_a_student_learns_from_answers_of_its_own_kind() -> None:
    refused(
        AnswerKind.SCORES,
        "distill",
        "learns from answers of its own kind",
        teacher=subject_of(AnswerKind.LABEL_SCORES),
    )
    refused(
        AnswerKind.SCORES,
        "distill",
        "learns from answers of its own kind",
        teacher=subject_of(AnswerKind.SHARES),
    )


def test_vectors_learn_from_the_model_as_loaded_alone() -> None:
    refused(
        AnswerKind.VECTORS,
        "distill",
        "compared with itself as loaded",
        teacher=subject_of(AnswerKind.VECTORS),
    )


def test_values_that_are_all_alike_choose_no_epoch() -> None:
    network, x = _seeded(Two, 1), np.random.default_rng(1).normal(size=(300, 8)).astype(np.float32)
    judged = checked_items(x[:100], np.full((100, 1), 2.5, np.float32))
    subject = subject_from_network(network, judged, "alike", task="regression")
    learned = with_training(subject, checked_items(x[100:], x[100:, :1]))
    with pytest.raises(Refused, match="100 validation items are all alike"):
        compress_core.train(learned, epochs=1, store=Store())


def test_items_without_labels_train_an_embedding_and_nothing_else() -> None:
    bare = checked_items(np.random.default_rng(8).normal(size=(50, 8)).astype(np.float32), None)
    assert with_training(subject_of(AnswerKind.VECTORS), bare).training_items.split.labels is None
    with pytest.raises(Refused, match="The training items have no labels"):
        with_training(subject_of(AnswerKind.VALUES), bare)


# What travels


@pytest.mark.parametrize("kind", [AnswerKind.VALUES, AnswerKind.VECTORS])
def test_a_worker_gets_the_items_to_train_on_as_they_are(kind: AnswerKind) -> None:
    said = loaded_sample("tabular")
    x = np.random.default_rng(8).normal(size=(50, *said.input.shape)).astype(np.float32)
    y = None if kind is AnswerKind.VECTORS else x[:, :1]
    own = own_training(checked_items(x, y), said.input)
    came = read_bundle(bundle_of(replace(said, training=own))).training_items
    assert came.digest == own.digest
    assert torch.equal(came.split.inputs, own.split.inputs)
    labels = came.split.labels
    assert labels is None if y is None else labels is not None and np.array_equal(labels.numpy(), y)


def test_a_page_is_told_what_is_asked_and_vectors_open_with_items_to_train_on(tmp_path: Path) -> None:
    x = np.random.default_rng(8).normal(size=(60, 8)).astype(np.float32)
    for name, rows in (("judge", x[:30]), ("learn", x[30:])):
        np.savez(tmp_path / name, inputs=rows)
    request = PageRequest(
        port=1,
        model="tests.test_training_objectives:six",
        items=str(tmp_path / "judge.npz"),
        train=str(tmp_path / "learn.npz"),
        task="embedding",
    )
    subject = PageRequest.read(request.as_json()).subject()
    assert subject.task is PredictionTask.EMBEDDING
    assert subject.training_items.count == 30


def test_a_training_of_vectors_says_its_cosine_and_goes_on_as_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(8).normal(size=(120, 8)).astype(np.float32)
    for name, rows in (("judge", x[:60]), ("learn", x[60:])):
        np.savez(tmp_path / name, inputs=rows)
    files = ("--data", str(tmp_path / "judge.npz"), "--train", str(tmp_path / "learn.npz"))
    asked = (*files, "--task", "embedding", "--step", "*: magnitude sparsity=0.8", "--method", "distill")
    network, out = "tests.test_training_objectives:six", str(tmp_path / "out")

    def ended(figures: Any, _objective: Any) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr(cli_training, "_epoch_line", ended)
        assert run("train", network, *asked, "--epochs", "2", "--out", out).exit_code == 130
    found = run("train", "--resume", out)
    assert found.exit_code == 0, found.output
    assert re.search(
        r"epoch 2: loss \(1 - cosine\) 0\.\d{4}, validation: Cosine to the original 0\.", found.output
    )


def six() -> nn.Module:
    """A network that answers with six numbers."""
    network: nn.Module = _seeded(Two, 6)
    return network


# Won back, on data that scikit-learn carries


def fitted(network: nn.Module, x: Tensor, y: Tensor, loss: Any, steps: int = 400) -> nn.Module:
    """Trained by a plain loop of torch."""
    optimizer = torch.optim.Adam(network.parameters(), 3e-3, weight_decay=1e-4)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(network(x), y).backward()
        optimizer.step()
    return network.eval()


def parted(x: Any, y: Any) -> tuple[Items, Items]:
    """Three quarters to train on, the rest to judge by."""
    order = np.random.default_rng(0).permutation(len(x))
    cut = len(x) * 3 // 4
    learn, judge = (
        checked_items(x[part], None if y is None else y[part]) for part in (order[:cut], order[cut:])
    )
    return learn, judge


class InUnits(nn.Module):
    """Real numbers in their own unit, as networks answer that learned standardized ones."""

    def __init__(self, network: nn.Sequential, mean: float, spread: float) -> None:
        super().__init__()
        self.network, self.mean, self.spread = network, mean, spread

    def forward(self, x: Tensor) -> Tensor:
        answers: Tensor = self.network(x) * self.spread + self.mean
        return answers


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, outputs)
    )


def won_back(
    network: nn.Module, learn: Items, judge: Items, task: TaskName, method: str, metric: str, share: float
) -> tuple[float, float, float]:
    """A metric of the network, of what pruning leaves of it, and after a training."""
    subject = with_training(subject_from_network(network, judge, "won back", task=task), learn)
    small = compress_core.compress(subject, pruned(share), store=Store())
    found = compress_core.train(small, method, epochs=20, batch_size=32, learning_rate=0.01, store=Store())
    split = subject.split("validation")
    told = [
        evaluate(one, split, Store())[metric].value for one in (Model.original(subject), small, found.model)
    ]
    zeros = [part.zeros.total for each in found.model.compressed.values() for _, part in each.parts]
    kept = [part.zeros.total for each in small.compressed.values() for _, part in each.parts]
    assert zeros == kept, "what is pruned stays zero"
    assert None not in told
    return tuple(float(value) for value in told)  # type: ignore[return-value, arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fine_tune", "distill"])
def test_a_regression_that_lost_90_percent_of_its_weights_wins_back_its_r_squared(method: str) -> None:
    x, y = (each.astype(np.float32) for each in load_diabetes(return_X_y=True))
    x = 20 * x
    learn, judge = parted(x, y[:, None])  # from 25 to 346: no unit that a learning rate was made for
    inputs, wanted = torch.from_numpy(np.asarray(learn.inputs)), torch.from_numpy(np.asarray(learn.labels))
    network = InUnits(mlp(10, 1), float(wanted.mean()), float(wanted.std()))
    fitted(network, inputs, wanted, F.mse_loss, 40)
    whole, small, after = won_back(network, learn, judge, "regression", method, "explained_variance", 0.9)
    assert whole > 0.3
    assert small < whole - 0.2
    assert after > whole - 0.1


def digits() -> tuple[Any, Any]:
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y


@cache
def several_labels() -> tuple[nn.Module, Items, Items]:
    """A network that gives digits four labels, and items to train it further and to judge it by."""
    x, y = digits()
    labels = np.stack([y % 2 == 0, y > 4, np.isin(y, [0, 6, 8, 9]), y % 3 == 0], 1).astype(np.int64)
    learn, judge = parted(x, labels)
    inputs, wanted = torch.from_numpy(np.asarray(learn.inputs)), torch.from_numpy(np.asarray(learn.labels))
    network = fitted(mlp(64, 4), inputs, wanted.float(), F.binary_cross_entropy_with_logits, 200)
    return network, learn, judge


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fine_tune", "distill"])
@pytest.mark.parametrize("ends", [nn.Identity, nn.Sigmoid])
def test_several_labels_win_back_their_decisions(method: str, ends: type[nn.Module]) -> None:
    network, learn, judge = several_labels()
    network = nn.Sequential(network, ends())
    whole, small, after = won_back(network, learn, judge, "labels", method, "accuracy", 0.9)
    assert whole > 0.93
    assert small < whole - 0.1
    assert after > whole - 0.04


@pytest.mark.slow
def test_an_embedding_wins_back_its_cosine_by_distillation() -> None:
    x, y = digits()
    learn, judge = parted(x, y)
    inputs, wanted = torch.from_numpy(np.asarray(learn.inputs)), torch.from_numpy(np.asarray(learn.labels))
    network = fitted(mlp(64, 16), inputs, wanted, F.cross_entropy, 200)
    bare, judged = (replace(items, labels=None) for items in (learn, judge))
    whole, small, after = won_back(network, bare, judged, "embedding", "distill", "cosine_to_original", 0.9)
    assert whole == pytest.approx(1)
    assert small < 0.8
    assert after > 0.93
