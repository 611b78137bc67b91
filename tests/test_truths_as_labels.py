"""Labels of 0 and 1 that were saved as real numbers, which a binary cross-entropy takes, are labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from compress_core import evaluate, load
from compress_core.loading.asked_answers import TaskName
from compress_core.loading.items import checked_items
from compress_core.loading.user_model import subject_from_network
from compress_core.loading.weights_subject import user_subject
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.subject import Subject

ROWS = np.random.default_rng(5).normal(size=(60, 8)).astype(np.float32)


def mlp(outputs: int) -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, outputs)).eval()


@torch.no_grad()
def truths(network: nn.Module) -> Any:
    return (network(torch.from_numpy(ROWS)) > 0).float().numpy()


def opened(network: nn.Module, labels: Any, task: TaskName | None, *, by_code: bool) -> Subject:
    items = checked_items(ROWS, labels)
    if by_code:
        return subject_from_network(network, items, "mine", task=task)
    return user_subject(network.state_dict(), items, name="mine", task=task)


def of_labels(subject: Subject) -> list[str]:
    """What is said of how it was read, but for what was assumed of a network that its weights alone tell."""
    return [said for said in map(str, subject.remarks.sentences) if not said.startswith("Assumed, because")]


@pytest.mark.parametrize("by_code", [False, True])
def test_they_open_several_labels_and_it_is_said(by_code: bool) -> None:
    network = mlp(3)
    subject = opened(network, truths(network), None, by_code=by_code)
    assert subject.answers is AnswerKind.LABEL_SCORES
    assert evaluate(subject).numbers["accuracy"].value == 1.0
    (said,) = of_labels(subject)
    assert "taken for 3 labels that hold" in said
    assert 'task="regression" in Python, --task regression in the shell' in said


@pytest.mark.parametrize("by_code", [False, True])
def test_who_asks_for_regression_gets_it(by_code: bool) -> None:
    network = mlp(3)
    asked: tuple[tuple[Any, TaskName | None], ...] = (
        (truths(network), "regression"),
        (truths(network) + 0.5, None),
        (truths(network)[:, :1], None),
    )
    for labels, task in asked:
        subject = opened(mlp(labels.shape[1]), labels, task, by_code=by_code)
        assert subject.answers is AnswerKind.VALUES
        assert not of_labels(subject)


def test_whole_numbers_need_no_remark() -> None:
    network = mlp(3)
    assert not of_labels(opened(network, truths(network).astype(np.int64), None, by_code=False))


def test_files_open_the_same(tmp_path: Path) -> None:
    network = mlp(3)
    save_file(network.state_dict(), tmp_path / "mine.safetensors")
    np.savez(tmp_path / "items.npz", inputs=ROWS, labels=truths(network).astype(np.float64))
    subject = load(tmp_path / "mine.safetensors", tmp_path / "items.npz")
    assert subject.answers is AnswerKind.LABEL_SCORES
    again = load(tmp_path / "mine.safetensors", tmp_path / "items.npz", task="regression")
    assert again.answers is AnswerKind.VALUES
