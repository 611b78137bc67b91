"""Options of a real network, answers within the real file, and mutations that are measured."""

from dataclasses import replace

import pytest

from compress_core.apply.model import Model
from compress_core.decide.budget_check import checked_once
from compress_core.decide.budgeting import BudgetPlan, budgeted
from compress_core.decide.family import Family
from compress_core.decide.fewest import fewest, tightened
from compress_core.decide.joint_excess import JointExcess, measured_kl
from compress_core.decide.joint_options import degrees, finer
from compress_core.decide.option_table import OptionTable, option_table
from compress_core.decide.options import Resource
from compress_core.decide.polish import polish
from compress_core.decide.requirements import Requirements
from compress_core.decide.scan import scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.solve import answered, least_cost, refuse_infeasible
from compress_core.deliver.packed_file import pack_bytes
from compress_core.foundation.declared_knobs import validated
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from tests.subjects import mlp_subject

pytestmark = pytest.mark.slow  # a scan and a table of options, a few seconds together

PLAN = ScanPlan(families=(Family.PRUNE, Family.RANK, Family.BITS), points=3)
BYTES = Resource.BYTES


@pytest.fixture(scope="module")
def store():
    return Store()


@pytest.fixture(scope="module")
def parent():
    return Model.original(mlp_subject())


@pytest.fixture(scope="module")
def curves(parent, store):
    return result_of(scan(parent, PLAN, store))


@pytest.fixture(scope="module")
def table(parent, curves, store):
    return result_of(option_table(parent, curves, parent.subject.split("validation"), store))


def test_a_table_survives_its_plain_form(table):
    assert OptionTable.of_json(table.as_json()) == table


def test_options_are_weighed_once_and_kept_as_they_are(parent, curves, table, tmp_path):
    split = parent.subject.split("validation")
    kept = Workspace.at(tmp_path)
    for count in (True, False):
        asked = Store(workspace=kept)
        steps = list(_steps(option_table(parent, curves, split, asked)))
        assert (steps[:-1] != []) == count, "what is kept is not weighed again"
        assert steps[-1] == table
    kept.close()


def _steps(work):
    """What a piece of work yields, and at the end what it comes to."""
    result = yield from work
    yield result


def test_divergence_never_falls_towards_harder_degrees(curves):
    first = next(c for c in curves.curves if c.family is Family.PRUNE)
    noisy = [
        replace(p, kl=Number(kl, "nat", "measured"))
        for p, kl in zip(first.points, (0.3, 0.1, 0.5), strict=True)
    ]
    levels = [degree.kl for degree in finer(replace(first, points=tuple(noisy)))]
    assert levels == pytest.approx(sorted(levels), rel=1e-9)
    assert levels[0] == pytest.approx(0.2)


def test_rounding_beside_another_family_counts_what_it_adds_there(curves):
    own = [c for c in curves.curves if c.place == "fc1"]
    excess = JointExcess((0.0, 1.0), (2.0, 8.0), ((1.0, 1.0), (1.0, 1.0)))
    plain, dearer = degrees(own), degrees(own, {Family.PRUNE: excess})
    both = [
        (a, b)
        for a, b in zip(plain, dearer, strict=True)
        if a.steps[0:1] and a.steps[0].technique == "magnitude" and len(a.steps) == 2
    ]
    assert both
    assert all(b.kl > a.kl for a, b in both)


def test_an_answer_is_within_the_real_packed_file(parent, table, store):
    for share in (0.2, 0.5, 0.8):
        least, most = least_cost(table, BYTES), table.original.packed_bytes
        budget = least + share * (most - least)
        answer = answered(parent, table, {BYTES: budget}, store)
        assert answer is not None
        assert len(pack_bytes(answer.model)) == answer.cost[BYTES] <= budget


def test_limits_of_several_resources_hold_together(parent, table, store):
    limits = {BYTES: table.original.packed_bytes * 0.8, Resource.MACS: table.original.macs * 0.8}
    answer = answered(parent, table, limits, store)
    assert answer is not None
    assert all(answer.cost[resource] <= limit for resource, limit in limits.items())


def test_what_no_choice_reaches_is_refused(table):
    with pytest.raises(Refused, match="cannot be reached: the smallest option of every layer together"):
        refuse_infeasible(table, {BYTES: least_cost(table, BYTES) - 1})
    refuse_infeasible(table, {BYTES: least_cost(table, BYTES)})


def test_a_locked_layer_keeps_its_option(parent, table, store):
    held = table.held({"fc2": []})
    answer = answered(parent, held, {BYTES: table.original.packed_bytes * 0.8}, store)
    assert answer is not None
    assert "fc2" not in answer.model.compressed


def test_a_polish_never_ends_worse_nor_beyond_the_budget(parent, table, store):
    split = parent.subject.split("validation")
    limits = {BYTES: table.original.packed_bytes * 0.6}
    answer = answered(parent, table, limits, store)
    assert answer is not None
    polished = result_of(polish(parent, table, answer, limits, split, 8, store))
    assert polished.after <= polished.before
    assert polished.after == pytest.approx(measured_kl(parent, polished.solution.model, split, store))
    assert len(pack_bytes(polished.solution.model)) <= limits[BYTES]
    again = result_of(polish(parent, table, answer, limits, split, 8, store))
    assert again.solution.options == polished.solution.options


def test_a_budget_that_no_recipe_reaches_is_refused_before_anything_is_evaluated(parent):
    fresh = Store()
    plan = BudgetPlan(requirements=Requirements(packed_bytes=10), scan=PLAN)
    with pytest.raises(Refused, match="10 bytes of the packed file cannot be reached"):
        result_of(budgeted(parent, plan, fresh))
    assert not fresh.computed["predictions"]


@pytest.mark.parametrize("family", [Family.PRUNE, Family.RANK, Family.BITS, Family.STRUCTURE])
def test_one_family_alone_is_enough_for_a_budget_or_its_refusal(parent, store, family):
    plan = BudgetPlan(requirements=Requirements(packed_bytes=10), scan=ScanPlan(families=(family,), points=2))
    with pytest.raises(Refused, match="cannot be reached"):
        result_of(budgeted(parent, plan, store))


def test_a_plan_ends_within_its_budget_and_says_the_price_of_each_layer(parent, table, store):
    most = int(table.original.packed_bytes * 0.6)
    wanted = Requirements(packed_bytes=most, largest_drop=0)
    found = result_of(budgeted(parent, BudgetPlan(requirements=wanted, scan=PLAN, evaluations=3), store))
    assert len(pack_bytes(found.model)) <= most
    assert found.checked.holds == ((found.checked.numbers["accuracy_change"].value or 0) >= 0)
    assert {row["place"] for row in found.rows()} == {"fc1", "fc2", "fc3"}
    assert any(row["price_milder"] for row in found.rows())


def test_the_smallest_file_within_a_drop_holds_and_no_layer_may_be_a_step_smaller(parent, table, store):
    split = parent.subject.split("validation")
    wanted = Requirements(optimize="packed_bytes", largest_drop=3.0, worst_class=20.0)
    found = result_of(fewest(parent, table, {}, wanted, split, store))
    assert found is not None
    assert checked_once(parent, found, wanted, split, store).holds
    limits = {BYTES: found.cost[BYTES]}
    tight = result_of(tightened(parent, table, (found,), limits, wanted, split, store))
    assert tight.holds
    assert len(pack_bytes(tight.solution.model)) == tight.solution.cost[BYTES] <= found.cost[BYTES]
    loose = wanted.model_copy(update={"largest_drop": 30.0, "worst_class": 60.0})
    smaller = result_of(fewest(parent, table, {}, loose, split, store))
    assert smaller is not None
    assert smaller.cost[BYTES] < found.cost[BYTES]


def test_what_holds_nowhere_is_given_as_large_as_the_limits_allow(parent, table, store):
    split = parent.subject.split("validation")
    limits = {BYTES: least_cost(table, BYTES) * 1.02}
    wanted = Requirements(optimize="packed_bytes", worst_class=0.0)
    found = result_of(fewest(parent, table, limits, wanted, split, store))
    assert found is not None
    assert found.cost[BYTES] <= limits[BYTES]
    tight = result_of(tightened(parent, table, (found,), limits, wanted, split, store))
    assert not tight.holds


def test_without_labels_a_drop_is_refused_before_any_work(parent):
    subject = replace(
        parent.subject, splits={n: replace(s, labels=None) for n, s in parent.subject.splits.items()}
    )
    plan = BudgetPlan(requirements=Requirements(packed_bytes=10**6, largest_drop=1), scan=PLAN)
    with pytest.raises(Refused, match="Without labels no drop of accuracy is measured"):
        result_of(budgeted(Model.original(subject), plan, Store()))


def test_requirements_that_limit_nothing_are_refused():
    with pytest.raises(Refused, match="nothing is limited"):
        validated("budget", Requirements, {"largest_drop": 1.0})
