"""Milliseconds of a budget: a line between two networks that were timed, and a time of what was chosen."""

from __future__ import annotations

import itertools

import pytest

from compress_core.apply.model import Model
from compress_core.decide.budget_found import BudgetFound
from compress_core.decide.budgeting import BudgetPlan, budgeted
from compress_core.decide.estimated_time import TimeLine, time_line
from compress_core.decide.family import Family
from compress_core.decide.options import Resource
from compress_core.decide.requirements import Requirements
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.smallest_options import smallest_table
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.measure.speed.rounds import Watch
from tests.subjects import mlp_subject

LINE = TimeLine((100.0, 0.2), (1100.0, 1.2))
PLAN = ScanPlan(families=(Family.RANK,), points=2)


def ticking(step: float = 0.001) -> Watch:
    """A clock that goes on by so many seconds whenever it is looked at."""
    wall, cpu = itertools.count(), itertools.count()
    return Watch(lambda: step * next(wall), lambda: step * next(cpu), lambda: 0.0, 1)


@pytest.mark.parametrize(("milliseconds", "macs"), [(0.2, 100), (0.7, 600), (1.2, 1100), (50, 1100)])
def test_between_two_timed_networks_multiplications_take_their_part(milliseconds: float, macs: float) -> None:
    assert LINE.macs_within(milliseconds) == pytest.approx(macs)


@pytest.mark.parametrize("line", [LINE, TimeLine((100.0, 1.3), (1100.0, 1.2))])
def test_what_no_network_reaches_is_refused_with_both_times(line: TimeLine) -> None:
    with pytest.raises(Refused, match=r"0\.1 ms for one item are not reached.*the one as it is 1\.2 ms"):
        line.macs_within(0.1)


def test_the_ends_of_the_line_are_the_network_as_it_is_and_the_one_of_fewest_multiplications() -> None:
    parent, store = Model.original(mlp_subject()), Store()
    table = smallest_table(parent, PLAN, store)
    line = time_line(parent, table, parent.subject.split("validation"), ticking(), store)
    assert line.whole[0] == table.original.macs
    assert line.small[0] < line.whole[0]


@pytest.mark.slow
def test_a_budget_of_milliseconds_limits_multiplications_and_is_timed_in_the_end() -> None:
    parent = Model.original(mlp_subject())
    asked = BudgetPlan(requirements=Requirements(milliseconds=1e6), scan=PLAN, evaluations=0)
    found = result_of(budgeted(parent, asked, Store(), ticking()))
    assert found.limits == {Resource.MACS: found.table.original.macs}
    assert found.time is not None
    assert found.time.kind == "measured"
    assert found.holds
    assert BudgetFound.of_json(BudgetFound.of(found).as_json()).numbers["milliseconds"] == found.time
