"""What a search wants where there is no accuracy: the divergence, and the reason is the right one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from compress_core import load
from compress_core.cli import app
from compress_core.decide.search_plan import Objective, SearchPlan, no_accuracy, suited
from compress_core.subject.subject import Subject
from tests.subjects import mlp_subject

FEW = ("--trials", "2", "--evaluations", "1")


def priced(folder: Path) -> Subject:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1)).eval()
    save_file(network.state_dict(), folder / "priced.safetensors")
    x = np.random.default_rng(1).normal(size=(60, 8)).astype(np.float32)
    labels = network(torch.from_numpy(x)).detach().numpy()[:, 0]
    np.savez(folder / "priced.npz", inputs=x, labels=labels)
    return load(folder / "priced.safetensors", folder / "priced.npz")


def without_labels(subject: Subject) -> Subject:
    splits = {name: replace(split, labels=None) for name, split in subject.splits.items()}
    return replace(subject, splits=MappingProxyType(splits))


def test_the_objectives_suit_what_can_be_measured(tmp_path: Path) -> None:
    usual, size = SearchPlan().objectives, Objective.PACKED_BYTES
    labeled = mlp_subject()
    assert suited(usual, labeled, "validation") == (Objective.ACCURACY, size)
    for subject in (priced(tmp_path), without_labels(labeled)):
        assert suited(usual, subject, "validation") == (Objective.KL, size)
        assert suited((Objective.KL, Objective.ACCURACY), subject, "validation") == (Objective.KL, size)


def test_the_reason_is_that_of_the_task(tmp_path: Path) -> None:
    assert no_accuracy(mlp_subject(), "validation") is None
    assert str(no_accuracy(without_labels(mlp_subject()), "validation")).startswith("Without labels")
    assert str(no_accuracy(priced(tmp_path), "validation")).startswith("Accuracy is about classes")


@pytest.mark.slow
def test_the_command_searches_a_regression_and_refuses_an_accuracy_of_it(tmp_path: Path) -> None:
    priced(tmp_path)
    told = ["search", str(tmp_path / "priced.safetensors"), "--data", str(tmp_path / "priced.npz"), *FEW]
    found = CliRunner().invoke(app, told, prog_name="slimscope")
    assert found.exit_code == 0, found.output
    assert "Mean KL divergence" in found.output
    refused = CliRunner().invoke(app, [*told, "--objectives", "accuracy"], prog_name="slimscope")
    assert refused.exit_code == 2
    assert "Accuracy is about classes, and the model answers with real numbers" in refused.output
    assert "Without labels" not in refused.output
