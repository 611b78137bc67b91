"""What breaks first where answers are real numbers: R squared has an interval, or says that it has none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from compress_core.apply.model import Model
from compress_core.decide.sweep import sweep
from compress_core.decide.swept import Sweep, SweepPlan, SweptKnob
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.loading.items import checked_items
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.behavior.metrics.explained_variance import explained_variance
from compress_core.measure.behavior.predictions import Predictions
from compress_core.subject.answer_kind import AnswerKind
from dashboard.figures.what_broke import what_broke
from dashboard.trade_offs.tabs.what_broke_first import knee_table

R_SQUARED = "explained_variance"


def swept(items: int) -> Sweep:
    torch.manual_seed(5)
    network = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1)).eval()
    x = np.random.default_rng(1).normal(size=(items, 8)).astype(np.float32)
    noise = np.random.default_rng(2).normal(size=(items, 1)) / 20
    labels = (network(torch.from_numpy(x)).detach().numpy() + noise).astype(np.float32)
    subject = subject_from_network(network, checked_items(x, labels), "priced")
    plan = SweepPlan(knob=SweptKnob.SPARSITY, split=next(iter(subject.splits)))
    return result_of(sweep(Model.original(subject), plan, 0, Store()))


def answered(items: int, seed: int) -> Predictions:
    """Answers that explain 80 % of the variance of what is right."""
    drawn = np.random.default_rng(seed)
    wanted = drawn.normal(size=(items, 1)).astype(np.float32)
    got = (wanted + drawn.normal(size=(items, 1)) * np.sqrt(0.2)).astype(np.float32)
    return Predictions(got, None, "validation", "items", "m", AnswerKind.VALUES, wanted=wanted)


def test_the_interval_of_r_squared_holds_the_true_share_as_often_as_it_says() -> None:
    found = [explained_variance(answered(500, seed)) for seed in range(200)]
    held = sum(x.low is not None and x.high is not None and x.low <= 0.8 <= x.high for x in found)
    assert 184 <= held <= 199
    assert all(x.high is not None and x.high <= 1 for x in found)


def test_few_items_give_r_squared_no_interval_and_say_how_many_would() -> None:
    found = explained_variance(answered(499, 0))
    assert found.low is None
    assert "N >= 500" in str(found.no_interval)


@pytest.mark.slow
def test_r_squared_breaks_surely_where_its_interval_says_so() -> None:
    found = swept(2500)
    assert found.has_interval(R_SQUARED)
    assert found.first_worse(R_SQUARED) is not None
    assert found.knee(R_SQUARED) is not None


@pytest.mark.slow
def test_without_an_interval_the_knee_is_that_of_the_values_and_nothing_is_sure() -> None:
    found = swept(200)
    assert not found.has_interval(R_SQUARED)
    assert found.first_worse(R_SQUARED) is None
    assert found.knee(R_SQUARED) is not None
    assert R_SQUARED not in found.broken_first()
    assert "knee at" in what_broke(found).alternative
    table = knee_table(found).set_index("Measure")
    assert table.loc["R squared", "Surely worse from"] == "no interval"
    assert table.loc["R squared", "Knee after"] != "none"
    assert table.loc["Growth of the error", "Surely worse from"] not in {"no interval", "none"}
