"""Weights that come alone, of which more than classes is asked: told by labels, or by who brings them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save, save_file
from torch import Tensor, nn

from compress_core import Refused, compress, evaluate, explain, load
from compress_core.jobs.bundle import bundle_of, read_bundle
from compress_core.loading.asked_answers import TaskName
from compress_core.loading.file_format import ItemKnobs
from compress_core.loading.infer import network_candidates
from compress_core.loading.items import checked_items
from compress_core.loading.weights_subject import user_subject
from compress_core.subject.answer_kind import AnswerKind, PredictionTask
from compress_core.subject.subject import Subject
from dashboard.start.upload_model import read_uploaded
from dashboard.task_words import answer_words, task_words
from tests.test_hub_uploads import Uploaded
from tests.test_infer import gap_by_name, trained

PRUNED = "layers: [{match: '*', steps: [{technique: magnitude, sparsity: 0.4}]}]"


def _mlp(outputs: int) -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, outputs)).eval()


def _rows(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(5).normal(size=shape).astype(np.float32)


@torch.no_grad()
def _answers(network: nn.Module, x: NDArray[np.float32]) -> Tensor:
    found: Tensor = network(torch.from_numpy(x))
    return found


def _opened(network: nn.Module, x: Any, labels: Any, task: TaskName | None = None) -> Subject:
    items = None if x is None else checked_items(x, labels)
    return user_subject(network.state_dict(), items, name="mine", task=task)


@pytest.mark.slow
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("flat", [False, True])
def test_labels_that_are_real_numbers_open_a_regression(outputs: int, flat: bool) -> None:
    if flat and outputs > 1:
        pytest.skip("a number for each item has one output")
    network, x = _mlp(outputs), _rows(60, 8)
    wanted = _answers(network, x).numpy() + 0.25
    subject = _opened(network, x, wanted[:, 0] if flat else wanted)
    assert subject.answers is AnswerKind.VALUES
    found = evaluate(compress(subject, PRUNED)).numbers
    assert evaluate(subject).numbers["mean_absolute_error"].value == pytest.approx(0.25, rel=1e-4)
    assert found["answer_shift"].value
    assert explain(compress(subject, PRUNED), "saliency", items=10, value=outputs - 1).frame() is not None


def test_several_labels_are_told_by_rows_of_them_and_vectors_by_whoever_asks() -> None:
    network, x = _mlp(3), _rows(60, 8)
    subject = _opened(network, x, (_answers(network, x) > 0).int().numpy())
    assert subject.task is PredictionTask.LABELS
    assert evaluate(subject).numbers["accuracy"].value == 1
    vectors = _opened(network, x, None, "embedding")
    assert vectors.answers is AnswerKind.VECTORS
    assert evaluate(vectors).numbers["cosine_to_original"].value == pytest.approx(1)
    assert _opened(network, x, _answers(network, x).argmax(1).numpy()).answers is AnswerKind.SCORES


@pytest.mark.parametrize("task", ["regression", "labels"])
def test_what_shapes_leave_open_is_chosen_by_the_answers_that_come_nearest(task: TaskName) -> None:
    network, x = trained(gap_by_name), _rows(200, 3, 16, 16)
    with torch.no_grad():
        network.get_parameter("head.bias").sub_(_answers(network, x).mean(0))
    answers = _answers(network, x)
    fits = network_candidates(network.state_dict(), input_shape=(3, 16, 16))
    with torch.no_grad():
        assert not torch.allclose(fits[0].network(torch.from_numpy(x)), answers, atol=1e-2)
    subject = _opened(network, x, answers.numpy() if task == "regression" else (answers > 0).int().numpy())
    assert subject.task.value == task
    torch.testing.assert_close(subject.network(torch.from_numpy(x)), answers, atol=1e-5, rtol=1e-4)
    why = "come nearest to the labels: " if task == "regression" else "gets most labeled items right: "
    assert why in str(subject.summary)


@pytest.mark.parametrize("outputs", [1, 2])
def test_another_process_opens_the_same(outputs: int) -> None:
    network, x = _mlp(outputs), _rows(60, 8)
    subject = _opened(network, x, _answers(network, x).numpy())
    again = read_bundle(bundle_of(subject))
    assert again.answers is AnswerKind.VALUES
    assert again.key == subject.key
    assert again.classes == subject.classes
    assert evaluate(again).numbers["mean_absolute_error"].value == pytest.approx(0, abs=1e-6)


def test_one_output_is_no_classifier_and_says_what_would_open_it() -> None:
    network = _mlp(1)
    with pytest.raises(Refused, match="give items whose labels are real numbers, or say that regression"):
        _opened(network, None, None)
    assert _opened(network, None, None, "regression").answers is AnswerKind.VALUES
    with pytest.raises(Refused, match="no places of a sequence"):
        _opened(_mlp(3), None, None, "next_token")
    with pytest.raises(Refused, match="For regression the labels must be"):
        _opened(_mlp(3), _rows(20, 8), _rows(20, 2))


def test_files_on_the_page_and_in_the_shell_open_as_what_they_are(tmp_path: Path) -> None:
    network, x = _mlp(1), _rows(40, 8)
    labels = _answers(network, x).numpy()
    weights, items = tmp_path / "mine.safetensors", tmp_path / "items.npz"
    save_file(network.state_dict(), weights)
    np.savez(items, inputs=x, labels=labels)
    assert load(weights, items).answers is AnswerKind.VALUES
    sent = Uploaded("mine.safetensors", save(network.state_dict()))
    told = read_uploaded(sent, Uploaded("items.npz", items.read_bytes()))  # type: ignore[arg-type]  # a stand-in
    assert told.answers is AnswerKind.VALUES
    assert answer_words(told) == "a real number"
    said = read_uploaded(sent, None, task="embedding")  # type: ignore[arg-type]  # a stand-in
    assert answer_words(said) == "a vector of 1 numbers"


def test_every_task_can_be_chosen_on_the_page() -> None:
    assert tuple(task_words()) == get_args(TaskName)


def test_the_page_refuses_a_column_of_labels_where_the_items_are_no_table(tmp_path: Path) -> None:
    np.savez(tmp_path / "items.npz", inputs=_rows(20, 8))
    save_file(_mlp(3).state_dict(), tmp_path / "mine.safetensors")
    sent = Uploaded("mine.safetensors", (tmp_path / "mine.safetensors").read_bytes())
    beside = Uploaded("items.npz", (tmp_path / "items.npz").read_bytes())
    says = r"The label column price is one of a table .*, but the items are items\.npz"
    with pytest.raises(Refused, match=says):
        read_uploaded(sent, beside, knobs=ItemKnobs(label_column="price"))  # type: ignore[arg-type]  # stand-ins
