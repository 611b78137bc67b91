"""Selection: exact counts, ties to the earlier layer and index, the same as a slow sort over everything."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from compress_core.apply import run
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.selection.budgets import erdos_renyi
from compress_core.selection.patterns import Box, BoxGrid, LayerShape, NOfM, largest_n_of_m, parse_pattern
from compress_core.selection.ranking import RoughRanking, rank_scores, ranking_of
from compress_core.selection.score_cells import CELLS
from compress_core.selection.scores import Scores
from compress_core.selection.select import ExplicitMask, Ranked, Selection, ThresholdMask, exact_count, select
from compress_core.subject.input_form import InputForm
from compress_core.subject.subject import make_subject
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.technique import technique_named


def masks(weights: list[Tensor], choice: Selection, *, absolute: bool = True) -> list[Tensor]:
    scores = [Scores(w, absolute=absolute) for w in weights]
    return [k.tensor for k in select(scores, shapes_of(weights), choice, None)]


def shapes_of(weights: list[Tensor]) -> list[LayerShape]:
    return [LayerShape(f"layer{i}", w.shape) for i, w in enumerate(weights)]


def slow_masks(weights: list[Tensor], sparsity: float) -> list[Tensor]:
    """The lowest scores go; among equal ones the later layer and index goes first."""
    flat = torch.cat([w.abs().reshape(-1) for w in weights]).tolist()
    order = sorted(range(len(flat)), key=lambda i: (flat[i], -i))
    mask = torch.ones(len(flat), dtype=torch.bool)
    mask[order[: round(sparsity * len(flat))]] = False
    parts = mask.split([w.numel() for w in weights])
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


@pytest.mark.slow
@settings(max_examples=150)
@given(
    st.lists(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30), min_size=1, max_size=4),
    st.floats(0, 1),
    st.booleans(),
)
def test_counted_scores_end_a_selection_where_sorted_ones_do(
    layers: list[list[float]], share: float, absolute: bool
) -> None:
    scores = [Scores(torch.tensor([layer]), absolute=absolute) for layer in layers]
    ordered, rough = rank_scores(scores), ranking_of(scores, most=0)
    assert isinstance(rough, RoughRanking)
    removed = round(share * ordered.count)
    assert rough.place(removed) == ordered.place(removed)
    for one, other in zip(rough.alone(), ordered.alone(), strict=True):
        part = round(share * other.count)
        assert one.place(part) == other.place(part)


@pytest.mark.parametrize("kind", ["normal", "few values", "mostly zero", "negative scores"])
def test_many_counted_scores_end_a_selection_where_sorted_ones_do(kind: str) -> None:
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(n, 50, generator=generator) for n in (400, 30, 1, 200)]
    if kind == "few values":
        weights = [w.round() for w in weights]
    if kind == "mostly zero":
        weights = [w * (w.abs() > 1.5) for w in weights]
    scores = [Scores(-w.abs()) if kind == "negative scores" else Scores(w, absolute=True) for w in weights]
    ordered, rough = rank_scores(scores), ranking_of(scores, most=1000)
    for removed in (0, 1, 2, 255, 5_000, 17_777, ordered.count - 1, ordered.count):
        assert rough.place(removed) == ordered.place(removed)


@pytest.mark.parametrize("scope", ["layer", "network", "erk"])
def test_so_many_scores_that_they_are_counted_prune_the_same(
    scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(2)
    weights = [torch.randn(n, 40, generator=generator) for n in ((200,) if scope == "layer" else (200, 30))]
    choice = Selection(sparsity=0.37, scope=scope)
    sorted_ones = masks(weights, choice)
    monkeypatch.setattr(ranking_of, "__defaults__", (0,))
    assert all(torch.equal(a, b) for a, b in zip(masks(weights, choice), sorted_ones, strict=True))


def test_an_order_that_would_take_as_much_memory_as_the_weights_is_not_kept() -> None:
    scores = [Scores(torch.randn(3000, 1000), absolute=True)]
    assert ranking_of(scores).nbytes == scores[0].values.nbytes
    rough = ranking_of(scores, most=2_999_999)
    rough.place(1_000_000)
    assert rough.nbytes == 8 * CELLS


def test_weights_that_fill_the_memory_are_counted_once_for_all_values_of_a_slider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    form = InputForm("table", (1500,))
    network = nn.Sequential(nn.Linear(1500, 2000, bias=False), nn.Linear(2000, 2, bias=False))
    subject, store = make_subject("wide", "Wide", network, form, ("a", "b"), {}), Store(max_bytes=15_000_000)
    ranked = list[int]()
    rank = run.rank_boxes

    def counted(*given: Any) -> Ranked:
        ranked.append(1)
        return rank(*given)

    monkeypatch.setattr(run, "rank_boxes", counted)
    monkeypatch.setattr(ranking_of, "__defaults__", (10**6,))
    for sparsity in (0.5, 0.7, 0.3):
        step = Step.of("magnitude", sparsity=sparsity, scope="network")
        model = run.compress(subject, Recipe((Rule("*", (step,)),)), store)
        kept = sum(one.encoded[0].kept_count for one in model.compressed.values())
        assert kept == 3_004_000 - round(sparsity * 3_004_000)
    assert len(ranked) == 1


@settings(max_examples=50)
@given(
    st.lists(matrices, min_size=1, max_size=4), st.floats(0, 1), st.sampled_from(["layer", "network", "erk"])
)
def test_counts_are_those_of_the_masks_and_the_quick_way_prunes_the_same(weights, sparsity, scope):
    scores = [Scores(w, absolute=True) for w in weights]
    if scope == "layer":
        weights, scores = weights[:1], scores[:1]
    choice = Selection(sparsity=sparsity, scope=scope)
    for weight, mask in zip(weights, select(scores, shapes_of(weights), choice, None), strict=True):
        assert isinstance(mask, ThresholdMask)
        assert mask.count == int(mask.tensor.sum())
        quick = mask.prune_into(weight, torch.empty_like(weight))
        slow = ExplicitMask(mask.tensor).prune_into(weight.clone(), torch.empty_like(weight))
        assert torch.equal(quick, slow)
        assert torch.equal(quick, weight * mask.tensor)


def test_pruned_weights_are_plus_zero():
    weight = torch.tensor([[-1.0, -2.0, 3.0]])
    for mask in (
        ExplicitMask(torch.tensor([[False, False, True]])),
        select([Scores(weight, absolute=True)], shapes_of([weight]), Selection(sparsity=0.667), None)[0],
    ):
        assert not torch.signbit(EncodedWeight(weight, mask).values).any()


@pytest.mark.parametrize(
    ("share", "size", "count"),
    [(0.29, 100, 29), (0.57, 100, 57), (0.1, 15, 2), (0.333, 10, 3), (0.5, 5, 2), (1.0, 7, 7)],
)
def test_a_share_of_a_size_is_rounded_not_cut(share, size, count):
    assert exact_count(share, size) == count


# n of m -----------------------------------------------------------------------------------------------------


def slow_n_of_m(scores: Tensor, shape: torch.Size, n: int, m: int) -> Tensor:
    kernel = scores.reshape(shape)
    mask = torch.zeros(shape, dtype=torch.bool)
    for out, *position in itertools.product(range(shape[0]), *map(range, shape[2:])):
        for start in range(0, shape[1], m):
            inputs = range(start, min(start + m, shape[1]))
            best = sorted(inputs, key=lambda i: (-float(kernel[(out, i, *position)]), i))[:n]
            for i in best:
                mask[(out, i, *position)] = True
    return mask.reshape(scores.shape)


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
    mask = largest_n_of_m(scores, LayerShape("a", shape), NOfM(n, m))
    assert torch.equal(mask, slow_n_of_m(scores, shape, n, m))
    groups = mask.view(shape).movedim(1, -1)
    assert all(int(part.sum(-1).max()) <= n for part in groups.split(m, dim=-1))


@pytest.mark.parametrize("name", ["magnitude", "random_pruning"])
def test_a_pattern_fixes_the_sparsity(name):
    assert technique_named(name).validated({"pattern": "1:4"}).sparsity == 0.75
    assert technique_named(name).validated({"pattern": "2:3"}).sparsity == 0.333333


def test_n_of_m_refuses_a_layer_with_fewer_inputs():
    with pytest.raises(
        Refused, match=re.escape("Pattern 2:4 needs at least 4 input channels, but conv1 has 3: leave")
    ):
        largest_n_of_m(torch.ones(2, 3 * 9), LayerShape("conv1", torch.Size([2, 3, 3, 3])), NOfM(2, 4))


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
        ({"pattern": "0x4"}, "a block has at least one row and one input, as in 1x8"),
        ({"pattern": "1x1"}, "a block of one weight is the pattern unstructured"),
        ({"pattern": "4x"}, "it must look like one of unstructured, 1:4"),
        ({"pattern": "row", "scope": "row"}, "but pattern row has nothing to choose there; use scope layer"),
        ({"pattern": "column", "scope": "row"}, "pattern column has nothing to choose there"),
        (
            {"pattern": "2:4", "sparsity": 0.9},
            "magnitude: pattern 2:4 fixes the sparsity at 0.5; leave out sparsity 0.9",
        ),
        (
            {"sparsity": 1.2},
            "magnitude: sparsity got 1.2, but input should be less than or equal to 1: change",
        ),
        (
            {"scope": "model"},
            "magnitude: scope got 'model', but input should be 'row', 'layer', 'network' or 'erk'",
        ),
    ],
)
def test_a_selection_that_cannot_be_is_refused(knobs, sentence):
    with pytest.raises(Refused, match=re.escape(sentence)):
        technique_named("magnitude").validated(knobs)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("2:4", NOfM(2, 4)),
        ("1x8", Box(1, 8)),
        ("unstructured", Box()),
        ("row", Box(1, None, whole_kernel=True)),
        ("column", Box(None, 1, whole_kernel=True)),
        ("kernel", Box(1, 1, whole_kernel=True)),
    ],
)
def test_the_word_of_a_pattern_is_read_into_a_value_and_back(word, value):
    assert parse_pattern(word) == value
    assert str(value) == word


@pytest.mark.parametrize("word", ["", "half", "2:4:8", "x4", "row ", "2 : 4"])
def test_a_word_that_is_no_pattern_is_refused(word):
    with pytest.raises(Refused, match="a pattern is one of unstructured, row, column, kernel, 2:4 or 1x8"):
        parse_pattern(word)


# Boxes ------------------------------------------------------------------------------------------------------

SHAPES = [LayerShape("a", torch.Size([6, 5])), LayerShape("a", torch.Size([6, 4, 3]), 2)]
SHAPES += [LayerShape("a", torch.Size([4, 3, 2, 2])), LayerShape("a", torch.Size([4, 1, 3, 3]), 4)]
PATTERNS = ["1x2", "2x1", "2x2", "2x3", "row", "column", "kernel"]


def slow_boxes(shape: LayerShape, pattern: str) -> Tensor:
    """The number of each weight's box [out, in * k]."""
    kernel, (rows, inputs) = shape.kernel, (1, 1)
    if "x" in pattern:
        rows, inputs = map(int, pattern.split("x"))
    seen: dict[object, int] = {}
    numbers = torch.zeros(kernel, dtype=torch.int64)
    width = kernel[0] // shape.groups
    for out, channel, *position in itertools.product(*map(range, kernel)):
        group = out // width
        box = {
            "row": (group, out),
            "column": (group, channel),
            "kernel": (group, out, channel),
        }.get(pattern, (group, out % width // rows, channel // inputs, *position))
        seen.setdefault(box, len(seen))
        numbers[(out, channel, *position)] = seen[box]
    return numbers.view(kernel[0], -1)


def fits(shape: LayerShape, pattern: str) -> bool:
    try:
        BoxGrid.of(parse_pattern(pattern), shape)
    except Refused:
        return False
    return True


FITTING = [(s, p) for s in SHAPES for p in PATTERNS if fits(s, p)]


@pytest.mark.parametrize(("shape", "pattern"), FITTING)
@pytest.mark.parametrize("sparsity", [0.0, 0.29, 0.5, 0.8, 1.0])
def test_whole_boxes_with_the_lowest_means_are_removed_and_exactly_so_many(shape, pattern, sparsity):
    scores = torch.rand(shape.kernel, generator=torch.Generator().manual_seed(0)).flatten(1)
    mask = select([Scores(scores)], [shape], Selection(sparsity=sparsity, pattern=pattern), None)[0]
    boxes = slow_boxes(shape, pattern)
    means = {int(b): float(scores[boxes == b].double().mean()) for b in boxes.unique()}
    lowest = sorted(means, key=means.get)
    removed = min(round(sparsity * len(means)), len(means) - (pattern == "row"))
    assert set(boxes[~mask.tensor].tolist()) == set(lowest[:removed])
    assert not set(boxes[mask.tensor].tolist()) & set(lowest[:removed])
    assert mask.count == int(mask.tensor.sum())


@pytest.mark.parametrize(("shape", "pattern"), FITTING)
def test_of_equal_boxes_the_earlier_one_stays(shape, pattern):
    scores = torch.full(shape.kernel, 0.3).flatten(1)
    choice = Selection(sparsity=0.5, pattern=pattern)
    (mask,) = select([Scores(scores)], [shape], choice, None)
    cut = BoxGrid.of(parse_pattern(pattern), shape)
    count = cut.sizes.numel() - round(cut.sizes.numel() / 2)
    assert torch.equal(mask.tensor, cut.spread(torch.arange(cut.sizes.numel()).view(cut.sizes.shape) < count))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_box_of_one_weight_is_the_weight(shape):
    values = torch.arange(float(shape.kernel.numel())).view(shape.kernel[0], -1)
    cut = BoxGrid(shape, Box())
    assert torch.equal(cut.summed(values).view(-1).sort().values, values.double().view(-1))
    assert torch.equal(cut.spread(cut.summed(values)), values.double())
    assert int(cut.sizes.sum()) == shape.kernel.numel()


@pytest.mark.parametrize("pattern", ["1x4", "2x2", "kernel"])
def test_row_scope_removes_the_same_number_of_boxes_from_each_row_of_boxes(pattern):
    shape = LayerShape("a", torch.Size([6, 9, 2]))
    scores = torch.rand(6, 18, generator=torch.Generator().manual_seed(0))
    choice = Selection(sparsity=0.4, scope="row", pattern=pattern)
    (mask,) = select([Scores(scores)], [shape], choice, None)
    cut = BoxGrid.of(parse_pattern(pattern), shape)
    stay = cut.summed(mask.tensor) > 0
    assert (stay.sum(dim=1) == stay.shape[1] - round(0.4 * stay.shape[1])).all()
    assert torch.equal(cut.spread(stay), mask.tensor)


def test_network_scope_compares_the_means_of_boxes_whatever_their_size():
    weights = [torch.full((3, 4), 0.5), torch.full((2, 100), 0.4)]
    weights[0][1] = 0.1
    first, second = masks(weights, Selection(sparsity=0.4, scope="network", pattern="row"))
    assert first.all(dim=1).tolist() == [True, False, True]
    assert second.all(dim=1).tolist() == [True, False]


@pytest.mark.parametrize("scope", ["layer", "network", "erk"])
def test_one_row_of_every_layer_stays(scope):
    weights = [torch.zeros(3, 4), torch.rand(5, 2), torch.full((2, 2), -1e30)]
    for weight in [[w] for w in weights] if scope == "layer" else [weights]:
        found = masks(weight, Selection(sparsity=1.0, scope=scope, pattern="row"))
        assert [int(mask.any(dim=1).sum()) for mask in found] == [1] * len(weight)


def test_huge_scores_do_not_overflow_in_a_box():
    weight = torch.tensor([[1e38, 2e38, 3e38, 3e38], [3e38, 3e38, 3e38, 3e38]])
    (mask,) = masks([weight], Selection(sparsity=0.25, pattern="1x2"))
    assert mask.tolist() == [[False, False, True, True], [True] * 4]


@pytest.mark.parametrize(
    ("pattern", "shape", "sentence"),
    [
        ("kernel", [4, 4], "Pattern kernel removes kernels of a convolution, but fc1 has none: leave"),
        (
            "1x8",
            [4, 3, 3, 3],
            "Pattern 1x8 needs at least 1 outputs and 8 input channels, but fc1 has 4 and 3",
        ),
        ("8x1", [4, 3], "Pattern 8x1 needs at least 8 outputs and 1 input channels, but fc1 has 4 and 3"),
    ],
)
def test_a_pattern_that_a_layer_has_no_room_for_is_refused(pattern, shape, sentence):
    weight = torch.ones(*shape).flatten(1)
    with pytest.raises(Refused, match=re.escape(sentence)):
        select([Scores(weight)], [LayerShape("fc1", torch.Size(shape))], Selection(pattern=pattern), None)


# Budgets ----------------------------------------------------------------------------------------------------

layer_shapes = st.one_of(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 5), st.integers(1, 5)),
)


def published_densities(shapes: list[tuple[int, ...]], mask: int) -> list[float]:
    """Clip and redistribute, as RigL does: beyond density 1 is full, the others share the rest."""
    full: set[int] = set()
    while True:
        rest = mask - sum(math.prod(shapes[i]) for i in full)
        others = [i for i in range(len(shapes)) if i not in full]
        factor = rest / max(1, sum(sum(shapes[i]) for i in others))
        over = {i for i in others if factor * sum(shapes[i]) / math.prod(shapes[i]) > 1}
        if not over:
            return [1.0 if i in full else factor * sum(s) / math.prod(s) for i, s in enumerate(shapes)]
        full |= over


@settings(max_examples=80)
@given(st.lists(layer_shapes, min_size=1, max_size=6), st.floats(0, 1))
def test_an_erk_budget_is_spent_to_the_last_weight_as_published(shapes, share):
    sizes = [math.prod(s) for s in shapes]
    mask = round(share * sum(sizes))
    found = erdos_renyi([LayerShape("a", torch.Size(s)) for s in shapes], sizes, mask)
    assert sum(found) == mask
    assert all(0 <= n <= size for n, size in zip(found, sizes, strict=True))
    for count, size, density in zip(found, sizes, published_densities(shapes, mask), strict=True):
        assert abs(count - density * size) <= 1 + len(shapes) / 2


@pytest.mark.slow
@given(st.lists(layer_shapes, min_size=1, max_size=6))
def test_with_a_smaller_budget_no_layer_keeps_more(shapes):
    sizes = [math.prod(s) for s in shapes]
    forms = [LayerShape("a", torch.Size(s)) for s in shapes]
    before = sizes
    for mask in range(sum(sizes), -1, -max(1, sum(sizes) // 23)):
        after = erdos_renyi(forms, sizes, mask)
        assert all(a <= b for a, b in zip(after, before, strict=True))
        before = after


def test_an_erk_budget_thins_large_layers_more_and_keeps_the_highest_of_each():
    weights = [torch.rand(300, 784), torch.rand(100, 300), torch.rand(10, 100)]
    found = masks(weights, Selection(sparsity=0.95, scope="erk"))
    assert sum(int((~m).sum()) for m in found) == round(0.95 * 266_200)
    shares = [float(m.double().mean()) for m in found]
    assert shares[0] < shares[1] < shares[2] <= 1
    for weight, mask in zip(weights, found, strict=True):
        assert weight[mask].min() >= weight[~mask].max() if not mask.all() else mask.all()
