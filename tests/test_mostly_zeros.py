"""Ranges of inputs that are mostly zero, as behind a ReLU, or the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.numerics.input_ranges import range_of
from compress_core.recipe.reading import read_recipe
from compress_core.subject.subject import Subject
from tests.subjects import seeded, tiny_subject, with_calibration

METHODS = ("minmax", "percentile", "entropy", "squared_error")


def _sparse(share: float) -> Tensor:
    """10,000 values of which a share is 0 and the others are spread from 1 to 2."""
    count = round((1 - share) * 10_000)
    return torch.cat([torch.linspace(1, 2, count), torch.zeros(10_000 - count)])


@pytest.mark.parametrize("share", [0.5, 0.95, 0.999])
def test_a_percentile_is_that_of_the_values_beside_zero(share: float) -> None:
    values = _sparse(share)
    _, high = range_of(values, "percentile", 90.0, 8)
    assert high == pytest.approx(float(np.percentile(values[values != 0], 90)), rel=0.06)


def test_negative_values_among_zeros_keep_their_range() -> None:
    low, high = range_of(-_sparse(0.99), "percentile", 99.0, 8)
    assert -2 <= low < -1.9
    assert high == 0


def test_both_signs_are_cut_by_their_own_tails() -> None:
    low, high = range_of(torch.cat([_sparse(0.99), -3 * _sparse(0.99)]), "percentile", 99.0, 8)
    assert low == pytest.approx(-6, abs=0.1)
    assert high == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("value", [-4.0, 0.25, 7.0])
@pytest.mark.parametrize("method", METHODS)
def test_a_constant_lies_within_its_range(method: str, value: float) -> None:
    low, high = range_of(torch.full((50,), value), method, 99.9, 8)
    assert low <= value <= high
    assert (low, high) == (min(value, 0.0), max(value, 0.0))


class Sparse(nn.Module):
    """What the second layer reads is mostly zero; `shift` makes it zero altogether."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.one, self.two, self.shift = nn.Linear(6, 40), nn.Linear(40, 3), shift

    def forward(self, x: Tensor) -> Tensor:
        return self.two(F.relu(self.one(x) - self.shift))


def _subject(shift: float) -> Subject:
    return with_calibration(tiny_subject(seeded(Sparse(shift)), (6,)))


@pytest.mark.parametrize("method", METHODS)
def test_a_layer_behind_few_active_units_still_reads_them(method: str) -> None:
    subject = _subject(2.0)
    items = subject.split("calibration").inputs
    read = F.relu(subject.network.one(items) - 2.0)
    assert 0.9 < (read == 0).double().mean() < 1
    recipe = read_recipe(f"layers: [{{match: two, inputs: [{{technique: static_range, method: {method}}}]}}]")
    rule = compress(subject, recipe, Store()).inputs["two"][0]
    assert (rule(read) - read).abs().sum() < 0.1 * read.sum()


@pytest.mark.parametrize("method", METHODS)
def test_a_layer_that_reads_nothing_but_zeros_has_no_range_and_is_refused_by_name(method: str) -> None:
    recipe = read_recipe(f"layers: [{{match: two, inputs: [{{technique: static_range, method: {method}}}]}}]")
    with pytest.raises(Refused, match="two gets nothing but zeros on the calibration items"):
        compress(_subject(1e6), recipe, Store())
