"""Every budget solved at once, and several limits at once."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress_core.decide.budget_curve import budget_curve
from compress_core.decide.damage import damage_of
from compress_core.decide.estimate import Estimator
from compress_core.decide.estimated_choice import estimated_change, smallest_within
from compress_core.decide.family import Family
from compress_core.decide.integer_program import integer_program
from compress_core.decide.joined_places import Amplitude, Joined
from compress_core.decide.options import Cost, Option, PlaceOptions, Resource, worth_trying
from compress_core.foundation.errors import Refused
from compress_core.recipe.values import Step

BYTES, MACS = Resource.BYTES, Resource.MACS


def option(size: float, kl: float, macs: int = 0, parameters: int = 0) -> Option:
    return Option((), Cost(size, parameters, macs), kl)


def place(name: str, *options: Option) -> PlaceOptions:
    return PlaceOptions(name, options)


_OPTIONS = st.lists(
    st.builds(option, st.floats(0, 1000), st.floats(0, 5), st.integers(0, 1000)), min_size=1, max_size=4
)
PLACES = st.lists(_OPTIONS, min_size=1, max_size=4).map(
    lambda found: [place(str(index), *options) for index, options in enumerate(found)]
)


def least(places: list[PlaceOptions], budget: float) -> float:
    """The smallest sum of divergences within a budget, by trying everything."""
    ways = itertools.product(*(p.options for p in places))
    return min(
        (sum(o.kl for o in way) for way in ways if sum(o.cost.packed_bytes for o in way) <= budget),
        default=float("inf"),
    )


@given(PLACES, st.floats(0, 1))
def test_no_choice_within_a_budget_less_the_stated_slack_is_better(places, share):
    curve = budget_curve(places, BYTES, 100.0, buckets=64)
    budget = curve.smallest + share * (curve.largest - curve.smallest)
    chosen = curve.at(budget)
    assert chosen is not None
    assert chosen.cost <= budget + 1e-6
    assert least(places, budget - 100 + 1e-6) - 1e-9 <= chosen.kl
    assert chosen.kl <= least(places, budget - 100 - curve.slack) + 1e-9


@given(PLACES)
def test_a_larger_budget_is_never_answered_worse(places):
    curve = budget_curve(places, BYTES, 0.0, buckets=64)
    _, drawn = curve.drawn()
    assert (drawn[1:] <= drawn[:-1]).all()


def pruned(sparsity: float, size: float) -> Option:
    return replace(option(size, sparsity), steps=(Step.of("magnitude", sparsity=sparsity),))


def losing(points: dict[float, float], place: str = "a") -> Estimator:
    """An estimator of one layer that loses so many points at these sparsities."""
    lost = [0.0, *(np.sqrt(damage_of(-drop)) for drop in points.values())]
    curve = Amplitude(Family.PRUNE, np.array([0.0, *points]), np.array(lost), 1.0)
    curves = Joined({(place, Family.PRUNE): curve}, 1.0)
    return Estimator(curves, curves, 500)


def test_the_smallest_budget_within_a_drop_is_where_the_estimate_says_that_it_holds():
    places = [place("a", option(1000, 0), pruned(0.5, 500), pruned(0.9, 100)), place("b", option(100, 0))]
    curve = budget_curve(places, BYTES, 10.0)
    estimator = losing({0.5: 2.0, 0.9: 50.0})
    assert smallest_within(estimator, curve, 3.0) == pytest.approx(610, rel=0.01)
    assert smallest_within(estimator, curve, 60.0) == pytest.approx(210, rel=0.01)
    assert smallest_within(estimator, curve, 1.0) == pytest.approx(1110, rel=0.01)
    unlabeled = replace(estimator, damage=None)
    assert smallest_within(unlabeled, curve, 60.0) == curve.largest
    half = curve.at(610)
    change = estimated_change(estimator, curve.places, half)
    assert (change.value, change.kind, change.n) == (pytest.approx(-2.0), "estimated", 500)
    assert estimated_change(unlabeled, curve.places, half).value is None
    with pytest.raises(Refused, match="scan it first"):
        estimated_change(losing({0.5: 2.0}, "other"), curve.places, half)


@settings(max_examples=25)
@given(PLACES, st.floats(0, 1))
def test_the_integer_program_equals_the_curve_on_one_limit(places, share):
    curve = budget_curve(places, BYTES, 7.0, buckets=2**12)
    budget = curve.smallest + share * (curve.largest - curve.smallest) + 1e-3
    solved = integer_program(places, {BYTES: budget}, {BYTES: 7.0})
    assert solved is not None
    best = curve.at(budget)
    assert best is not None
    assert solved.kl <= best.kl * (1 + solved.gap) + 1e-3
    assert best.kl <= least(places, budget - 7 - curve.slack) + 1e-9


def test_a_budget_below_the_smallest_options_has_no_answer():
    places = [place("a", option(10, 0), option(4, 1)), place("b", option(9, 0), option(3, 1))]
    assert budget_curve(places, BYTES, 5.0).at(11.9) is None
    assert budget_curve(places, BYTES, 5.0).at(12.0) is not None
    assert integer_program(places, {BYTES: 11.9}, {BYTES: 5.0}) is None


def test_a_locked_place_keeps_what_it_has():
    free = place("a", option(10, 0), option(4, 1))
    curve = budget_curve([free.held_at(free.options[0]), place("b", option(9, 0), option(3, 1))], BYTES, 0.0)
    chosen = curve.at(14.0)
    assert chosen is not None
    assert [o.cost.packed_bytes for o in chosen.options] == [10, 3]


def test_both_limits_hold_where_each_alone_would_be_met_otherwise():
    layer = place(
        "a", option(10, 0.0, macs=10), option(4, 1.0, macs=9), option(9, 1.0, macs=4), option(5, 3.0, macs=5)
    )
    alone = integer_program([layer], {BYTES: 5}, {BYTES: 0})
    both = integer_program([layer], {BYTES: 5, MACS: 5}, {BYTES: 0, MACS: 0})
    assert alone is not None
    assert both is not None
    assert (alone.kl, both.kl) == (1.0, 3.0)
    assert both.cost == {BYTES: 5.0, MACS: 5.0}


def test_what_two_groups_leave_of_a_layer_is_multiplied():
    def group(name):
        cut = Option((Step.of_group("magnitude", share_removed=0.5),), Cost(0, 0, 0), 1.0, (("mid", 0.5),))
        return PlaceOptions(name, (Option((), Cost(0, 0, 0), 0.0), cut), is_group=True)

    places = [place("mid", option(100, 0.0)), group("before"), group("behind")]
    one = integer_program(places, {BYTES: 50}, {BYTES: 0})
    two = integer_program(places, {BYTES: 25}, {BYTES: 0})
    assert one is not None
    assert two is not None
    assert (one.kl, one.cost[BYTES]) == (1.0, 50.0)
    assert (two.kl, two.cost[BYTES]) == (2.0, 25.0)
    assert integer_program(places, {BYTES: 24}, {BYTES: 0}) is None


def test_the_rank_is_not_lowered_where_channels_go():
    lower = Option((Step.of("low_rank", rank=2),), Cost(10, 10, 10), 0.0)
    cut = Option((Step.of_group("magnitude", share_removed=0.5),), Cost(0, 0, 0), 0.1, (("mid", 0.5),))
    group = PlaceOptions("before", (Option((), Cost(0, 0, 0), 0.0), cut), is_group=True)
    assert integer_program([place("mid", lower), group], {BYTES: 5}, {BYTES: 0}) is None


def test_an_option_that_another_beats_in_everything_is_left_out():
    good, beaten, smaller = option(5, 0.1, 3), option(6, 0.2, 3), option(6, 0.2, 1)
    assert worth_trying([beaten, good, smaller]) == (smaller, good)


@pytest.mark.parametrize("buckets", [8, 2**15])
def test_few_buckets_cost_divergence_never_the_budget(buckets):
    places = [place(str(i), *(option(1000 / n, 0.01 * n * n) for n in range(1, 9))) for i in range(6)]
    curve = budget_curve(places, BYTES, 0.0, buckets)
    for budget in (800.0, 1500.0, 3000.0):
        chosen = curve.at(budget)
        assert chosen is not None
        assert sum(o.cost.packed_bytes for o in chosen.options) <= budget
