"""Selection: exact counts, ties to the earlier layer and index, the same as a slow sort over everything."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from compress_core.answers import Scores
from compress_core.coded import Coded
from compress_core.errors import Refused
from compress_core.select import (
    Above,
    Chosen,
    Selection,
    exact_count,
    largest_n_of_m,
    n_of_m,
    rank_scores,
    select,
)
from compress_core.technique import technique_named


def masks(weights: list[Tensor], choice: Selection, *, absolute: bool = True) -> list[Tensor]:
    scores = [Scores(w, absolute=absolute) for w in weights]
    names = [f"layer{i}" for i in range(len(weights))]
    return [k.mask for k in select(scores, [w.shape for w in weights], names, choice, None)]


def slow_masks(weights: list[Tensor], sparsity: float) -> list[Tensor]:
    """The lowest scores go; among equal ones the later layer and index goes first."""
    flat = torch.cat([w.abs().reshape(-1) for w in weights]).tolist()
    order = sorted(range(len(flat)), key=lambda i: (flat[i], -i))
    kept = torch.ones(len(flat), dtype=torch.bool)
    kept[order[: round(sparsity * len(flat))]] = False
    parts = kept.split([w.numel() for w in weights])
    return [part.view(w.shape) for part, w in zip(parts, weights, strict=True)]


few_values = st.sampled_from([0.0, 0.5, -0.5, 1.0, -2.0])
matrices = (
    st.integers(1, 5)
    .flatmap(
        lambda inputs: st.lists(
            st.lists(few_values, min_size=inputs, max_size=inputs), min_size=1, max_size=4
        )
    )
    .map(torch.tensor)
)


@settings(max_examples=60)
@given(st.lists(matrices, min_size=1, max_size=5), st.floats(0, 1))
def test_network_scope_equals_a_slow_sort_over_all_layers_ties_included(weights, sparsity):
    found = masks(weights, Selection(sparsity=sparsity, scope="network"))
    for mask, slow in zip(found, slow_masks(weights, sparsity), strict=True):
        assert torch.equal(mask, slow)


@given(matrices, st.floats(0, 1))
def test_layer_scope_equals_a_slow_sort(weight, sparsity):
    assert torch.equal(masks([weight], Selection(sparsity=sparsity))[0], slow_masks([weight], sparsity)[0])


@given(matrices, st.floats(0, 1))
def test_row_scope_is_layer_scope_row_by_row(weight, sparsity):
    found = masks([weight], Selection(sparsity=sparsity, scope="row"))[0]
    for row, mask in zip(weight, found, strict=True):
        assert torch.equal(mask[None], slow_masks([row[None]], sparsity)[0])


@pytest.mark.parametrize("kind", ["normal", "few values", "mostly zero", "negative scores"])
def test_large_layers_meet_the_same_threshold_as_one_sort(kind):
    generator = torch.Generator().manual_seed(1)
    weights = [
        torch.randn(n, 50, generator=generator) * s for n, s in ((400, 1), (30, 3), (1, 0.1), (200, 1))
    ]
    if kind == "few values":
        weights = [w.round() for w in weights]
    if kind == "mostly zero":
        weights = [w * (w.abs() > 1.5) for w in weights]
    scores = [Scores(-w.abs() if kind == "negative scores" else w.abs()) for w in weights]
    ranking = rank_scores(scores)
    joined = np.sort(ranking.ascending)
    for removed in [1, 2, 255, 256, 257, 5_000, 17_777, len(joined) - 1, len(joined)]:
        place = ranking.place(removed)
        assert place.threshold == joined[removed - 1]
        assert sum(place.above) + place.ties_kept == len(joined) - removed
        for layer, above, equal in zip(scores, place.above, place.equal, strict=True):
            assert above == int((layer.values > place.threshold).sum())
            assert equal == int((layer.values == place.threshold).sum())


@settings(max_examples=50)
@given(st.lists(matrices, min_size=1, max_size=4), st.floats(0, 1), st.sampled_from(["layer", "network"]))
def test_counts_are_those_of_the_masks_and_the_quick_way_prunes_the_same(weights, sparsity, scope):
    scores = [Scores(w, absolute=True) for w in weights]
    shapes, names = [w.shape for w in weights], [str(i) for i in range(len(weights))]
    if scope == "layer":
        weights, scores, shapes, names = weights[:1], scores[:1], shapes[:1], names[:1]
    for weight, kept in zip(
        weights, select(scores, shapes, names, Selection(sparsity=sparsity, scope=scope), None), strict=True
    ):
        assert isinstance(kept, Above)
        assert kept.count == int(kept.mask.sum())
        quick = kept.prune_into(weight, torch.empty_like(weight))
        slow = Chosen(kept.mask).prune_into(weight.clone(), torch.empty_like(weight))
        assert torch.equal(quick, slow)
        assert torch.equal(quick, weight * kept.mask)


def test_pruned_weights_are_plus_zero():
    weight = torch.tensor([[-1.0, -2.0, 3.0]])
    for kept in (
        Chosen(torch.tensor([[False, False, True]])),
        select([Scores(weight, absolute=True)], [weight.shape], ["a"], Selection(sparsity=0.667), None)[0],
    ):
        assert not torch.signbit(Coded(weight, kept).values).any()


@pytest.mark.parametrize(
    ("share", "size", "count"),
    [(0.29, 100, 29), (0.57, 100, 57), (0.1, 15, 2), (0.333, 10, 3), (0.5, 5, 2), (1.0, 7, 7)],
)
def test_a_share_of_a_size_is_rounded_not_cut(share, size, count):
    assert exact_count(share, size) == count


# n of m -----------------------------------------------------------------------------------------------------


def slow_n_of_m(scores: Tensor, shape: torch.Size, n: int, m: int) -> Tensor:
    kernel = scores.reshape(shape)
    kept = torch.zeros(shape, dtype=torch.bool)
    for out, *position in itertools.product(range(shape[0]), *map(range, shape[2:])):
        for start in range(0, shape[1], m):
            inputs = range(start, min(start + m, shape[1]))
            best = sorted(inputs, key=lambda i: (-float(kernel[(out, i, *position)]), i))[:n]
            for i in best:
                kept[(out, i, *position)] = True
    return kept.reshape(scores.shape)


@given(
    st.integers(0, 99),
    st.sampled_from([(1, 2), (2, 4), (1, 4), (3, 5), (4, 8)]),
    st.sampled_from([(3, 8), (2, 9), (2, 8, 3), (2, 11, 2, 2)]),
)
def test_n_of_m_equals_a_slow_loop(seed, counts, shape):
    shape, (n, m) = torch.Size(shape), counts
    scores = torch.randint(
        0, 4, (shape[0], shape[1:].numel()), generator=torch.Generator().manual_seed(seed)
    ).float()
    kept = largest_n_of_m(scores, shape, n, m, name="a")
    assert torch.equal(kept, slow_n_of_m(scores, shape, n, m))
    groups = kept.view(shape).movedim(1, -1)
    assert all(int(part.sum(-1).max()) <= n for part in groups.split(m, dim=-1))


@pytest.mark.parametrize("name", ["magnitude", "random_pruning"])
def test_a_pattern_fixes_the_sparsity(name):
    assert technique_named(name).validated({"pattern": "1:4"}).sparsity == 0.75
    assert technique_named(name).validated({"pattern": "2:3"}).sparsity == 0.333333


def test_n_of_m_refuses_a_layer_with_fewer_inputs():
    with pytest.raises(
        Refused, match=re.escape("Pattern 2:4 needs at least 4 input channels, but conv1 has 3: leave")
    ):
        largest_n_of_m(torch.ones(2, 3 * 9), torch.Size([2, 3, 3, 3]), 2, 4, name="conv1")


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        (
            {"pattern": "4:2"},
            "magnitude: pattern got '4:2', but n must be at least 1 and below m, as in 2:4: change",
        ),
        ({"pattern": "0:4"}, "n must be at least 1 and below m"),
        ({"pattern": "0:0"}, "n must be at least 1 and below m"),
        ({"pattern": "half"}, "it must look like one of unstructured, 1:4, 2:4, 4:8"),
        (
            {"pattern": "2:4", "sparsity": 0.9},
            "magnitude: pattern 2:4 fixes the sparsity at 0.5; leave out sparsity 0.9",
        ),
        (
            {"sparsity": 1.2},
            "magnitude: sparsity got 1.2, but input should be less than or equal to 1: change",
        ),
        ({"scope": "model"}, "magnitude: scope got 'model', but input should be 'row', 'layer' or 'network'"),
    ],
)
def test_a_selection_that_cannot_be_is_refused(knobs, sentence):
    with pytest.raises(Refused, match=re.escape(sentence)):
        technique_named("magnitude").validated(knobs)


def test_patterns_are_read():
    assert n_of_m("2:4") == (2, 4)
    assert n_of_m("unstructured") is None
