"""A network whose items take long is asked about few of them when it is loaded, and about the same things."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from compress_core.loading.items import Items
from compress_core.loading.user_model import subject_from_network
from compress_core.subject import subject as looking
from compress_core.subject.subject import Subject


class Counting(nn.Module):
    """Notes how many items it is given."""

    given: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.idle, self.fc2 = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.given.append(len(x))
        hidden = self.fc1(x).relu()
        self.idle(hidden)
        answer: Tensor = self.fc2(hidden)
        return answer


def _loaded() -> tuple[Subject, list[int]]:
    torch.manual_seed(0)
    inputs = np.random.default_rng(1).normal(size=(30, 6)).astype(np.float32)
    Counting.given.clear()
    subject = subject_from_network(Counting(), Items(inputs, np.arange(30) % 3), "counting")
    return subject, list(Counting.given)


def test_a_costly_network_is_asked_about_two_items_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, all_given = _loaded()
    monkeypatch.setattr(looking, "_COSTLY", 0)
    costly, few_given = _loaded()
    few, usually = ([count for count in given if count != 30] for given in (few_given, all_given))
    assert max(few) == 2
    assert max(usually) == 8
    assert sum(few) < 0.5 * sum(usually)
    assert few_given.count(30) == all_given.count(30)  # all there are, for the layer in doubt
    assert dict(costly.locked) == dict(usual.locked)
    assert list(costly.locked) == ["idle"]
