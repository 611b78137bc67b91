"""What breaks first: knees of curves worked by hand, a sweep of a tiny network against models made singly."""

from __future__ import annotations

import numpy as np
import pytest

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.decide.knee import knee_of
from compress_core.decide.sweep import sweep
from compress_core.decide.swept import DIRECTIONS, Sweep, SweepPlan, SweptKnob, sweep_from_json
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.jobs.task import ResultFiles
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import compare
from compress_core.numerics.median_interval import of_median
from compress_core.recipe.values import Step
from compress_core.tasks.sweep_knob import pack, unpack
from dashboard.figures.what_broke import what_broke
from tests.subjects import Mlp, rules, seeded, tiny_subject

SUBJECT = tiny_subject(seeded(Mlp()), (6,), items=60)
NAN = np.nan


@pytest.mark.parametrize(
    ("values", "knee"),
    [
        ([1.0, 1.0, 1.0, 0.5, 0.0], 2),
        ([1.0, 0.99, 0.98, 0.1, 0.0], 2),
        ([1.0, 0.75, 0.5, 0.25, 0.0], 0),  # falls from the start
        ([1.0, 0.2, 0.1, 0.05, 0.0], 0),
        ([1.0, 1.0, 0.4, 0.0, 0.3], 1),  # what recovers after the worst place is passed over
        ([1.0, 1.0, NAN, 1.0, 0.0], 3),
        ([0.5, 0.6, 0.7], None),
        ([1.0, 1.0], None),
        ([1.0], None),
        ([NAN, 1.0, 0.0], None),
    ],
)
def test_a_knee_is_the_last_place_before_the_curve_falls_away(values: list[float], knee: int | None) -> None:
    assert knee_of(np.array(values), "higher") == knee
    assert knee_of(-7 * np.array(values), "lower") == knee


def test_the_median_has_an_interval_from_its_order_from_six_values_on() -> None:
    assert of_median(np.arange(5.0)) is None
    six = of_median(np.array([6.0, 1.0, 5.0, 2.0, 4.0, 3.0]))
    assert six is not None
    assert (six.low, six.high) == (1, 6)  # 1 - 2 / 2^6 = 97 %
    twenty = of_median(np.arange(1.0, 21.0))
    assert twenty is not None
    assert (twenty.low, twenty.high) == (6, 15)  # as tables of it say


def test_the_interval_of_a_median_holds_it_as_often_as_it_says() -> None:
    drawn = np.random.default_rng(5).exponential(size=(2000, 15))
    bounds = [of_median(row) for row in drawn]
    held = np.mean([b is not None and b.low <= np.log(2) <= b.high for b in bounds])
    assert 0.95 <= held < 0.985


@pytest.fixture(scope="module", params=list(SweptKnob))
def swept(request: pytest.FixtureRequest) -> Sweep:
    plan = SweepPlan(knob=request.param, method="saliency", items=8, locked=("fc2",))
    return result_of(sweep(Model.original(SUBJECT), plan, 0, Store(2**24)))


def by_hand(knob: SweptKnob, value: float) -> dict[str, Step]:
    """What a place of a knob means for the layers that are free."""
    match knob:
        case SweptKnob.SPARSITY:
            return {name: Step.of("magnitude", sparsity=value) for name in ("fc1", "fc3")}
        case SweptKnob.BITS:
            return {name: Step.of("uniform", bits=int(value)) for name in ("fc1", "fc3")}
        case SweptKnob.RANK_SHARE:
            ranks = {"fc1": round(6 * value), "fc3": round(3 * value)}
            return {name: Step.of("low_rank", rank=rank) for name, rank in ranks.items()}


def test_every_place_is_the_model_that_the_knob_makes_of_all_free_layers(swept: Sweep) -> None:
    value, store = swept.plan.values[3], Store(2**24)
    model = compress(SUBJECT, rules(**by_hand(swept.plan.knob, value)), store)
    compared: Comparison = compare(model, SUBJECT.split("validation"), store)
    point = swept.points[4]
    assert point.value == value
    assert point.file_bytes == model.file_bytes
    assert point.numbers["accuracy"] == compared.numbers["accuracy"]
    assert point.numbers["churn"] == compared.numbers["churn"]
    assert point.numbers["worst_class"].value == compared.per_class()["accuracy_after"].min()


def test_a_sweep_begins_with_the_model_itself_and_goes_from_mild_to_hard(swept: Sweep) -> None:
    assert [point.value for point in swept.points] == [None, *swept.plan.values]
    assert swept.values("churn")[0] == 0
    assert swept.values("similarity")[0] > 0.9, "the original's maps under a little noise"
    assert swept.left_out == ()


def test_only_what_is_surely_worse_has_a_knee(swept: Sweep) -> None:
    for name in DIRECTIONS:
        low, high, values = (swept.values(name, bound) for bound in ("low", "high", "value"))
        is_worse = high < values[0] if DIRECTIONS[name] == "higher" else low > values[0]
        found = np.flatnonzero(is_worse)
        assert swept.first_worse(name) == (found[0] if found.size else None)
        assert found.size or swept.knee(name) is None
    assert swept.broken_first()


def test_a_sweep_comes_back_from_its_file(swept: Sweep) -> None:
    back = unpack(ResultFiles.read(pack(swept).as_bytes()))
    assert back.plan == swept.plan
    assert [point.numbers for point in back.points] == [point.numbers for point in swept.points]
    assert [back.knee(name) for name in DIRECTIONS] == [swept.knee(name) for name in DIRECTIONS]


def test_every_place_is_told_as_soon_as_it_is_measured_and_has_no_knee_before_the_end() -> None:
    plan = SweepPlan(knob=SweptKnob.BITS)
    told = [step.said() for step in sweep(Model.original(SUBJECT), plan, 0, Store(2**24))]
    seen = [sweep_from_json(said) for said in told if said is not None]
    assert [len(found.points) for found in seen] == list(range(1, 1 + len(plan.values)))
    drawn = what_broke(seen[-1], is_over=False)
    assert not [trace for trace in drawn.figure.data if trace.marker.symbol == "star"]
    assert "7 of 8 places are measured" in drawn.figure.layout.title.text
    assert drawn.figure.layout.xaxis.ticktext[-1] == "2", "the places that come are there"


def test_the_figure_marks_each_knee_and_says_what_broke_first(swept: Sweep) -> None:
    drawn = what_broke(swept)
    marked = [trace for trace in drawn.figure.data if trace.marker.symbol == "star"]
    stars = [trace for trace in marked if not trace.name]
    assert [trace.name for trace in marked[len(stars) :]] == ["knee: it falls away from here on"]
    assert len(stars) == sum(swept.knee(name) is not None for name in DIRECTIONS)
    assert drawn.table["is_knee"].sum() == len(stars)
    assert str(swept.plan.knob) in set(drawn.table["knob"])


def test_layers_that_are_all_locked_are_refused_in_a_sentence() -> None:
    plan = SweepPlan(locked=("fc1", "fc2", "fc3"))
    with pytest.raises(Refused, match="Every layer is locked"):
        result_of(sweep(Model.original(SUBJECT), plan, 0, Store(2**24)))


def test_without_a_method_similarity_is_not_measured_and_says_why() -> None:
    plan = SweepPlan(knob=SweptKnob.BITS)
    found = result_of(sweep(Model.original(SUBJECT), plan, 0, Store(2**24)))
    assert np.isnan(found.values("similarity")).all()
    assert found.points[1].numbers["similarity"].reason is not None
    assert found.knee("similarity") is None
