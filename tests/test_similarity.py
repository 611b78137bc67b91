"""Every similarity against a peer or a loop, and what each of them must and must not notice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from compress_core.measure.explain.similarity import (
    MEASURES,
    NotMeasured,
    pair,
    similarity_frame,
    spearman,
    support_of,
    top_share_intersection,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Sample = tuple[Floats, Floats, Bools]

SHAPE = (5, 9, 8)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Two sets of maps and a support: with many ties or none, of any size, on few pixels or all."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.sampled_from([(5, 9, 8), (3, 3, 4), (4, 1, 2), (4, 6), (2, 3, 4, 5)]))
    levels = draw(st.sampled_from([1, 2, 5, 10**6]))
    sizes = [10.0 ** draw(st.integers(-30, 30)) for _ in range(2)]
    before, after = (generator.integers(-levels, levels, shape, endpoint=True) * size for size in sizes)
    return before, after, generator.random(shape) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))


def random_sample(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Sample:
    generator = np.random.default_rng(seed)
    before = generator.normal(size=shape)
    return before, before + generator.normal(size=shape), generator.random(shape) < 0.5


def assert_same(found: Floats, expected: Floats | list[float], tolerance: float = 1e-9) -> None:
    np.testing.assert_allclose(found, expected, atol=tolerance, rtol=0, equal_nan=True)


def measured_items(sample: Sample) -> list[tuple[Floats, Floats]]:
    return [(b[s], a[s]) for b, a, s in zip(*sample, strict=True)]


def is_comparable(before: Floats, after: Floats) -> bool:
    return len(before) > 1 and np.ptp(before) > 0 and np.ptp(after) > 0


def slow_spearman(before: Floats, after: Floats) -> float:
    return float(spearmanr(before, after).statistic) if is_comparable(before, after) else np.nan


def slow_cosine(before: Floats, after: Floats) -> float:
    if not is_comparable(before, after):
        return np.nan
    first, second = before / np.abs(before).max(), after / np.abs(after).max()
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


def slow_intersection(before: Floats, after: Floats, share: float) -> float:
    if not is_comparable(before, after):
        return np.nan
    count = max(1, round(share * len(before)))
    first, second = (
        set(sorted(range(len(values)), key=lambda i: (-abs(values[i]), i))[:count])
        for values in (before, after)
    )
    return len(first & second) / count


@given(samples())
def test_spearman_equals_scipy_on_the_support(sample: Sample) -> None:
    expected = [slow_spearman(*item) for item in measured_items(sample)]
    assert_same(spearman(pair(*sample)), expected, 1e-7)


@given(samples())
def test_cosine_equals_a_loop(sample: Sample) -> None:
    assert_same(
        MEASURES["cosine"](pair(*sample)), [slow_cosine(*item) for item in measured_items(sample)], 1e-7
    )


@pytest.mark.parametrize("share", [0.05, 0.1, 0.29])
@given(samples())
def test_top_share_equals_a_loop_with_ties_by_position(share: float, sample: Sample) -> None:
    expected = [slow_intersection(*item, share) for item in measured_items(sample)]
    assert_same(top_share_intersection(pair(*sample), share=share), expected)


@pytest.mark.parametrize("shape", [(4, 28, 28), (4, 9, 6), (4, 7, 7), (4, 3, 12)])
def test_ssim_equals_scikit_image_averaged_over_the_support(shape: tuple[int, ...]) -> None:
    before, after, support = random_sample(1, shape)
    expected = []
    for first, second, where in zip(before * support, after * support, support, strict=True):
        limit = max(np.abs(first).max(), np.abs(second).max())
        side = min(7, *shape[1:])
        _, local = structural_similarity(
            first / limit, second / limit, win_size=side - 1 + side % 2, data_range=2.0, full=True
        )
        expected.append(local[where].mean())
    assert_same(MEASURES["ssim"](pair(before, after, support)), expected)


@pytest.mark.parametrize("name", MEASURES)
@given(samples())
def test_a_map_is_wholly_like_itself(name: str, sample: Sample) -> None:
    before, _, support = sample
    found = MEASURES[name](pair(before, before, support))
    sizes = np.array(before.shape[1:])
    fits = name != "ssim" or (sizes.size > 1 and sizes.min() > 2)
    comparable = [
        fits and is_comparable(first, first) for first, _ in measured_items((before, before, support))
    ]
    assert_same(found, np.where(comparable, 1.0, np.nan), 1e-7)


@pytest.mark.parametrize("name", MEASURES)
@given(samples())
def test_the_order_of_the_two_maps_does_not_matter(name: str, sample: Sample) -> None:
    before, after, support = sample
    measure = MEASURES[name]
    assert_same(measure(pair(before, after, support)), measure(pair(after, before, support)))


@pytest.mark.parametrize("name", MEASURES)
@given(samples())
def test_every_similarity_lies_between_minus_one_and_one(name: str, sample: Sample) -> None:
    found = MEASURES[name](pair(*sample))
    measured = found[~np.isnan(found)]
    assert (np.abs(measured) <= 1 + 1e-9).all()


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("outside", [0.0, 1e9, np.nan, -np.inf])
def test_what_lies_outside_the_support_says_nothing(name: str, outside: float) -> None:
    before, after, support = random_sample()
    changed = np.where(support, after, outside)
    measure = MEASURES[name]
    assert_same(measure(pair(before, changed, support)), measure(pair(before, after, support)))


@pytest.mark.parametrize("name", ["spearman", "cosine", "top_5", "top_10"])
@pytest.mark.parametrize("factor", [1e-200, 1e-30, 0.25, 1e30])
def test_only_ssim_sees_the_strength_of_a_map(name: str, factor: float) -> None:
    before, after, support = random_sample()
    measure = MEASURES[name]
    assert_same(measure(pair(before, factor * after, support)), measure(pair(before, after, support)))
    ssim = MEASURES["ssim"]
    assert (ssim(pair(before, factor * before, support)) < 0.99).all()


@pytest.mark.parametrize(("name", "expected"), [("spearman", -1.0), ("cosine", -1.0), ("top_10", 1.0)])
def test_the_reversed_map_is_the_opposite_except_by_absolute_value(name: str, expected: float) -> None:
    before, _, support = random_sample()
    assert_same(MEASURES[name](pair(before, -before, support)), [expected] * len(before))


@pytest.mark.parametrize("name", MEASURES)
def test_items_are_measured_one_by_one(name: str) -> None:
    before, after, support = random_sample()
    after[2] = np.nan
    order = np.array([3, 0, 2, 4, 1])
    measure = MEASURES[name]
    shuffled = measure(pair(before[order], after[order], support[order]))
    assert_same(shuffled, measure(pair(before, after, support))[order])


def test_unrelated_maps_share_about_the_share_of_their_strongest_values() -> None:
    generator = np.random.default_rng(0)
    before, after = generator.normal(size=(2, 200, 28, 28))
    found = top_share_intersection(pair(before, after, np.ones((200, 28, 28), dtype=bool)), share=0.10)
    assert abs(found.mean() - 0.10) < 0.01


def test_a_black_background_does_not_make_unrelated_maps_alike() -> None:
    before, after, support = random_sample(3, (1, 28, 28))
    support[:] = np.indices((28, 28)).min(axis=0) >= 20
    before, after = before * support, np.random.default_rng(9).normal(size=after.shape) * support
    everywhere = np.ones_like(support)
    assert spearman(pair(np.abs(before), np.abs(after), everywhere))[0] > 0.9
    assert abs(spearman(pair(before, after, support))[0]) < 0.3


def constant(values: Floats) -> Floats:
    return np.full_like(values, 0.7)


def broken(values: Floats) -> Floats:
    return np.where(np.arange(values.shape[-1]) == 0, np.inf, values)


@pytest.mark.parametrize(
    ("change_before", "change_after", "reason"),
    [
        (constant, np.copy, NotMeasured.CONSTANT_BEFORE),
        (np.copy, constant, NotMeasured.CONSTANT_AFTER),
        (np.copy, broken, NotMeasured.NOT_FINITE),
        (broken, np.copy, NotMeasured.NOT_FINITE),
    ],
)
def test_an_item_that_cannot_be_compared_says_why(
    change_before: Callable[[Floats], Floats], change_after: Callable[[Floats], Floats], reason: NotMeasured
) -> None:
    before, after, _ = random_sample()
    before[1], after[1] = change_before(before[1]), change_after(after[1])
    frame = similarity_frame(before, after, np.ones(SHAPE, dtype=bool))
    assert frame.loc[1, list(MEASURES)].isna().all()
    assert frame["reason"].tolist() == [None, reason.value, None, None, None]
    assert frame.drop(index=1)[list(MEASURES)].notna().all(axis=None)


def test_an_item_with_one_value_that_differs_from_the_baseline_is_not_measured() -> None:
    before, after, support = random_sample()
    support[4] = False
    support[4, 0, 0] = True
    assert similarity_frame(before, after, support)["reason"][4] == NotMeasured.TOO_SMALL.value


def test_a_table_has_no_neighborhoods_for_ssim() -> None:
    before, after, support = random_sample(shape=(4, 30))
    frame = similarity_frame(before, after, support)
    assert frame["ssim"].isna().all()
    assert frame[["spearman", "cosine", "top_5", "top_10"]].notna().all(axis=None)


def test_the_support_is_where_any_channel_differs_from_the_baseline() -> None:
    baseline = torch.tensor([0.5, -1.0]).reshape(1, 2, 1, 1).expand(1, 2, 2, 3)
    image = baseline.clone()
    image[0, 1, 0, 2] = 3.0
    image[0, 0, 1, 0] = 0.4
    image[0, 0, 0, 0] += 1e-7  # rounding, not ink
    assert support_of(image, baseline).tolist() == [[[False, False, True], [True, False, False]]]


def test_an_input_equal_to_the_baseline_has_no_support() -> None:
    black = torch.full((1, 1, 4, 4), -0.4)
    assert not support_of(black, black).any()


def test_every_feature_of_a_table_counts() -> None:
    assert support_of(torch.zeros(2, 3), torch.zeros(1, 3)).all()
