"""Estimates from curves: one place at a time they say what the scan measured, never more of it for less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_core.decide.damage import damage_of, expected_damage, points_of, usual_damage
from compress_core.decide.estimate import LEAST_PAIRS, Pair, estimator_of
from compress_core.decide.estimated_size import bytes_estimator
from compress_core.decide.family import Family
from compress_core.decide.joined_places import severity_of
from compress_core.decide.knob_positions import Position, positions_of, recipe_at
from compress_core.decide.sensitivity import Curve, ScanPoint, Sensitivity
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.numerics.monotone import never_falling
from compress_core.recipe.edit import with_step
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.techniques.contract.technique import Stage

STEPS = {
    Family.PRUNE: lambda value: Step.of("magnitude", sparsity=value),
    Family.BITS: lambda value: Step.of("uniform", bits=int(value)),
    Family.RANK: lambda value: Step.of("low_rank", rank=int(value)),
    Family.STRUCTURE: lambda value: Step.of_group("magnitude", share_removed=value),
}
BITS = ((8, 0.0004, 700), (4, 0.04, 400), (2, 1.0, 250))
PRUNED = ((0.3, 0.01, 900), (0.5, 0.04, 800), (0.9, 0.81, 400))


def curve(place: str, family: Family, points: Sequence[tuple[float, float, int]]) -> Curve:
    made = [
        ScanPoint(
            place,
            family,
            value,
            (STEPS[family](value),),
            f"{place} {family} {value}",
            Number(kl, "nat", "measured", n=500),
            Number(-20.0 * kl, "points", "measured", n=500),
            size,
            1000,
            None,
        )
        for value, kl, size in points
    ]
    return Curve(place, family, tuple(made))


def scan(*curves: Curve) -> Sensitivity:
    return Sensitivity("parent", "subject", "validation", "items", 500, curves)


TWO = scan(
    curve("a", Family.PRUNE, PRUNED),
    curve("a", Family.BITS, BITS),
    curve("b", Family.PRUNE, PRUNED),
    curve("b", Family.RANK, ((9, 0.01, 900), (2, 0.49, 300))),
    curve("g", Family.STRUCTURE, ((0.25, 0.1, 750), (0.5, 0.3, 500))),
)


@pytest.mark.parametrize("one", TWO.curves, ids=lambda c: f"{c.place} {c.family}")
def test_a_knob_alone_is_estimated_as_it_was_measured(one: Curve) -> None:
    estimator = estimator_of(TWO)
    for point in one.points:
        found = estimator.estimate([Position(one.place, one.family, point.value)])
        assert found.kl.value == pytest.approx(point.kl.value)
        assert found.accuracy_change.value == pytest.approx(point.accuracy_change.value, abs=0.05)


def test_every_estimate_says_that_it_is_one_and_nothing_done_moves_nothing() -> None:
    found = estimator_of(TWO).estimate([])
    assert (found.kl.value, found.accuracy_change.value) == (0.0, 0.0)
    assert {found.kl.kind, found.accuracy_change.kind} == {"estimated"}
    assert found.kl.no_interval


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_removed_is_never_estimated_to_move_less(one: float, other: float) -> None:
    estimator = estimator_of(scan(curve("a", Family.PRUNE, ((0.2, 0.3, 9), (0.5, 0.1, 9), (0.9, 0.7, 9)))))
    less, more = sorted((one, other))
    there = [estimator.divergence([Position("a", Family.PRUNE, value)]) for value in (less, more)]
    assert there[0] <= there[1] + 1e-12


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12))
def test_what_never_falls_keeps_the_mean_and_is_left_alone_where_it_rose(values: list[float]) -> None:
    made = never_falling(np.array(values))
    assert (np.diff(made) >= 0).all()
    assert made.mean() == pytest.approx(np.mean(values))
    assert never_falling(np.sort(values)) == pytest.approx(np.sort(values))


def test_two_places_move_more_than_either_and_at_most_as_far_as_their_amplitudes_together() -> None:
    estimator = estimator_of(TWO)
    both = [Position("a", Family.PRUNE, 0.5), Position("b", Family.PRUNE, 0.5)]
    assert 2 * 0.04 <= estimator.divergence(both) <= 4 * 0.04


def test_rounding_both_factors_of_a_layer_counts_twice_in_amplitude() -> None:
    estimator = estimator_of(scan(curve("a", Family.RANK, ((5, 1e-12, 9),)), curve("a", Family.BITS, BITS)))
    factored = [Position("a", Family.RANK, 5), Position("a", Family.BITS, 4)]
    assert estimator.divergence(factored) == pytest.approx(4 * 0.04, rel=1e-3)


def test_a_rank_as_high_as_the_layer_is_nothing_done() -> None:
    assert severity_of(Family.RANK, 10, 10) == 0
    assert estimator_of(TWO, {"b": 10}).divergence([Position("b", Family.RANK, 10)]) == 0


def pairs_of(count: int, times: float) -> list[Pair]:
    """Recipes that diverge and lose so many times what is estimated of them."""
    estimator = estimator_of(TWO)
    levels = np.linspace(0.1, 0.9, count)
    found = [(Position("a", Family.PRUNE, v), Position("b", Family.PRUNE, 0.5)) for v in levels]
    lost = [damage_of(estimator.change(at) or 0.0) for at in found]
    return [
        Pair(at, times * estimator.divergence(at), points_of(times * damage))
        for at, damage in zip(found, lost, strict=True)
    ]


@pytest.mark.slow
def test_few_real_evaluations_correct_nothing_and_more_of_them_are_believed_further() -> None:
    estimator = estimator_of(TWO)
    assert estimator.corrected(pairs_of(LEAST_PAIRS - 1, 3.0)) is estimator
    left = []
    for count in (LEAST_PAIRS, 4 * LEAST_PAIRS, 64 * LEAST_PAIRS):
        pairs = pairs_of(count, 3.0)
        corrected, pair = estimator.corrected(pairs), pairs[-1]
        damage = damage_of(corrected.change(pair.positions) or 0.0)
        off = np.log([pair.kl / corrected.divergence(pair.positions), damage_of(pair.change or 0) / damage])
        left.append(np.abs(off))
    assert (np.diff(left, axis=0) < 0).all()
    assert (left[0] < np.log(3)).all()
    assert left[-1] == pytest.approx(0, abs=0.05)


def test_what_agrees_with_the_estimates_corrects_them_no_more_than_by_its_rounding() -> None:
    estimator = estimator_of(TWO)
    corrected = estimator.corrected(pairs_of(20, 1.0))
    assert corrected.damage is not None
    assert estimator.damage is not None
    assert (corrected.kl.power, corrected.damage.power) == (estimator.kl.power, estimator.damage.power)
    assert corrected.damage.scale == pytest.approx((0, 1), abs=1e-9)


def test_evaluations_that_scatter_without_a_rule_correct_nothing() -> None:
    estimator = estimator_of(TWO)
    pairs = [pairs_of(20, (3.0, 1 / 3)[index % 2])[index] for index in range(20)]
    corrected = estimator.corrected(pairs)
    assert corrected.kl is estimator.kl
    assert corrected.damage is estimator.damage


@given(st.floats(0.01, 1), st.floats(0.01, 1))
def test_places_together_lose_at_least_what_one_does_and_never_all_there_is(one: float, other: float) -> None:
    estimator = estimator_of(TWO)
    at = [Position("a", Family.PRUNE, one), Position("b", Family.PRUNE, other)]
    alone = [estimator.change([each]) or 0.0 for each in at]
    assert -100 < (estimator.change(at) or 0.0) <= min(alone) + 1e-9


@given(st.floats(-99, 0))
def test_a_loss_is_a_damage_and_back(change: float) -> None:
    assert points_of(damage_of(change)) == pytest.approx(change, abs=1e-9)
    assert damage_of(-change) == 0


def noted(kl: float, change: float, width: float) -> ScanPoint:
    (point,) = curve("a", Family.PRUNE, ((0.5, kl, 9),)).points
    said = Number(change, "points", "measured", change - width / 2, change + width / 2, 500)
    return replace(point, accuracy_change=said)


def test_two_places_of_one_divergence_are_told_apart_by_what_they_lost() -> None:
    mild, hard = noted(0.5, -4.0, 1.0), replace(noted(0.5, -24.0, 1.0), place="b")
    estimator = estimator_of(scan(Curve("a", Family.PRUNE, (mild,)), Curve("b", Family.PRUNE, (hard,))))
    found = [estimator.change([Position(place, Family.PRUNE, 0.5)]) for place in "ab"]
    assert found == pytest.approx([-4.0, -24.0], abs=0.5)


def test_a_loss_that_is_mostly_noise_is_drawn_to_what_its_divergence_costs() -> None:
    sure = [noted(kl, -20 * kl, 0.1) for kl in (0.1, 0.2, 0.3, 0.4)]
    usual = usual_damage([*sure, noted(0.05, -5.0, 0.1)])
    assert usual is not None
    wide, narrow = (expected_damage(noted(0.2, -9.0, width), usual) for width in (20.0, 0.1))
    assert damage_of(-4.0) - 0.01 < wide < damage_of(-5.0) < narrow
    assert narrow == pytest.approx(damage_of(-9.0), rel=0.01)


def test_without_labels_the_divergence_is_estimated_and_accuracy_is_not() -> None:
    one = curve("a", Family.PRUNE, PRUNED)
    unlabeled = [
        ScanPoint(**{**vars(p), "accuracy_change": Number.missing("points", "no labels")}) for p in one.points
    ]
    found = estimator_of(scan(Curve("a", Family.PRUNE, tuple(unlabeled)))).estimate(
        [Position("a", Family.PRUNE, 0.5)]
    )
    assert found.kl.value == pytest.approx(0.04)
    assert found.accuracy_change.value is None
    assert found.accuracy_change.reason


def test_a_recipe_stands_where_its_positions_were_and_back() -> None:
    positions = {
        Position("a", Family.PRUNE, 0.61),
        Position("a", Family.BITS, 4),
        Position("b", Family.RANK, 3),
        Position("g", Family.STRUCTURE, 0.3),
    }
    assert set(positions_of(recipe_at(positions, TWO), TWO)) == positions


REFUSED = (
    (("a", Stage.PRUNE, Step.of("random_pruning", sparsity=0.5)), "the scan tried magnitude"),
    (("a", Stage.PRUNE, Step.of("magnitude", sparsity=0.5, scope="network")), "scope network"),
    (("c", Stage.PRUNE, Step.of("magnitude", sparsity=0.5)), "measured nothing of c"),
    (("b", Stage.QUANTIZE, Step.of("uniform", bits=4)), "measured nothing of b"),
)


@pytest.mark.parametrize(("step", "said"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_the_scan_did_not_try_is_not_estimated(step: tuple[str, Stage, Step], said: str) -> None:
    layer, stage, one = step
    with pytest.raises(Refused, match=said):
        positions_of(with_step(ResolvedRecipe(()), [layer], stage, one), TWO)


def test_pruned_factors_are_not_estimated() -> None:
    factored = recipe_at([Position("b", Family.RANK, 3)], TWO)
    pruned = with_step(factored, ["b"], Stage.PRUNE, Step.of("magnitude", sparsity=0.5))
    with pytest.raises(Refused, match="Factors of b are pruned"):
        positions_of(pruned, TWO)


def test_nothing_scanned_is_refused() -> None:
    with pytest.raises(Refused, match="let it go on"):
        estimator_of(scan())


def test_a_size_alone_is_as_it_was_and_rounding_leaves_the_positions_of_weights_as_they_are() -> None:
    sizes = bytes_estimator(TWO, 1000, {"a": 90, "b": 10})
    assert sizes.of([]) == pytest.approx(1000)
    assert sizes.of([Position("a", Family.PRUNE, 0.5)]) == pytest.approx(800)
    assert sizes.of([Position("a", Family.BITS, 4)]) == pytest.approx(400)
    both = sizes.of([Position("a", Family.PRUNE, 0.5), Position("a", Family.BITS, 4)])
    rounded, positions = 1 - 600 / 900, (1 - 200 / 900) - 0.5
    assert both == pytest.approx(1000 - 900 * (1 - 0.5 * rounded - positions))
    assert sizes.of([Position("g", Family.STRUCTURE, 0.5), Position("a", Family.BITS, 4)]) == pytest.approx(
        200
    )
