"""One budget over pruning, rank and bits: every budget is looked up, one is solved and measured as a job."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import streamlit as st

from compress_core.apply.model import Model
from compress_core.decide.budget_curve import BudgetCurve, Choice
from compress_core.decide.budget_found import BudgetFound
from compress_core.decide.budgeting import FAMILIES, BudgetPlan
from compress_core.decide.estimated_choice import estimated_change, smallest_within
from compress_core.decide.option_table import OptionTable
from compress_core.decide.options import Option, Resource
from compress_core.decide.requirements import Requirements
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.solve import curve_of, refuse_infeasible
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.store import digest
from compress_core.foundation.texts import N_
from compress_core.tasks.solve_budget import BUDGET
from compress_core.tasks.weigh_options import OPTIONS
from dashboard import chosen_split, engine
from dashboard import job_panel as jobs
from dashboard.figures.budget_divergence import MeasuredBudget, budget_divergence
from dashboard.known_estimator import known_estimator
from dashboard.page_job import PageJob
from dashboard.show import figure, is_dark, number_text, provenance
from dashboard.text import _
from dashboard.trade_offs import budget_options, budget_result, budget_wish
from dashboard.trade_offs.budget_options import SPLIT, Held
from dashboard.trade_offs.kl_words import say_what_kl_is

if TYPE_CHECKING:
    from dashboard.view import View

TITLE = N_("Budget")
ORDER = 50


def draw(view: View, model: Model) -> None:
    """Weigh once, look every budget up, solve one of them."""
    subject = model.subject
    if SPLIT not in chosen_split.offered(subject):
        st.info(
            _("There are no validation items to choose by: upload items beside the model."),
            icon=":material/upload_file:",
        )
        return
    parent, plan = Model.original(subject), ScanPlan(families=FAMILIES)
    weighing = PageJob(
        OPTIONS,
        jobs.job_of(OPTIONS, parent, plan, 0),
        _("Weigh every option"),
        lambda table: 512 * sum(len(place.options) for place in table.places),
        is_of_knobs=True,
    )
    table = weighing.result()
    if table is None:
        budget_wish.stays_in_the_link()
        words, button = st.columns([3, 1.2], vertical_alignment="center")
        words.caption(
            _(
                "Once for each model: every layer of it as loaded is compressed alone to many degrees, "
                "pruning with bits and rank with bits too, measured and weighed. After that every budget is "
                "answered at once."
            )
        )
        weighing.button(
            button, view, label=weighing.title, icon=":material/scale:", key="budget.weigh", type="primary"
        )
        weighing.follow()
        return
    _budget(view, parent, plan, table)


def _budget(view: View, parent: Model, plan: ScanPlan, whole: OptionTable) -> None:
    held = budget_options.held()
    table = whole.held(held)
    curve = _curve(parent, table, held)
    wanted = _wanted(whole)
    budgets = sorted({round(value) for value in curve.drawn()[0]})
    budget_wish.draw(budgets, wanted, whole.original.packed_bytes)
    budget = wanted.packed_bytes or _estimated_budget(parent, curve, wanted)
    refuse_infeasible(table, {**wanted.limits(whole.weights), Resource.BYTES: float(budget)})
    choice = curve.at(budget)
    assert choice is not None, "what is feasible has an answer"
    work = _solving(parent, plan, wanted, held)
    found = work.result()
    left, right = st.columns([1, 1.15], gap="large")
    with left:
        _figure(curve, budget, choice, found, table.n)
    with right:
        _recipe(parent, whole, table, choice, found)
        work.button(
            st.container(),
            view,
            label=work.title,
            icon=":material/calculate:",
            anew=lambda _now: _solving(parent, plan, _wanted(whole), budget_options.held()),
            type="primary",
            key="budget.solve",
        )
        work.follow()
        if found is not None:
            budget_result.draw(view, found)
            say_what_kl_is(parent.subject)
        else:
            st.caption(
                _(
                    "Solving makes the real file fit, tries changes that keep its size on validation items, "
                    "and measures what comes out on all of them."
                )
            )


def _wanted(whole: OptionTable) -> Requirements:
    return budget_wish.wished(whole.original.packed_bytes)


def _figure(curve: BudgetCurve, budget: float, choice: Choice, found: BudgetFound | None, n: int) -> None:
    kl = None if found is None else found.numbers["kl"].value
    measured = None if found is None or kl is None else MeasuredBudget(found.cost[Resource.BYTES.value], kl)
    drawn = budget_divergence(
        *curve.drawn(), budget=budget, expected=choice.kl, solved=measured, dark=is_dark()
    )
    figure(drawn, "budget.curve", provenance(split=SPLIT, items=n, lineage=()))


def _recipe(
    parent: Model, whole: OptionTable, table: OptionTable, choice: Choice, found: BudgetFound | None
) -> None:
    """The recipe that was looked up, or what solving made of it."""
    options: tuple[Option, ...] = choice.options
    if found is None:
        expected = _expected(parent, table, choice)
        caption = _("All estimated. {change} A byte more on a layer wins its price.").format(change=expected)
    else:
        options = tuple(place.options[0] for place in table.held(found.chosen).layers)
        caption = _(
            "As solved; bytes and KL of each row alone are estimated. A byte more on a layer wins its price."
        )
    budget_options.draw(whole.layers, options, table.n, caption)
    budget_options.draw_locks(whole.layers, options)


def _expected(parent: Model, table: OptionTable, choice: Choice) -> str:
    """What the curves say of the accuracy, in words; nothing where they say nothing."""
    try:
        change: Number = estimated_change(known_estimator(parent), table.layers, choice)
    except Refused:
        return ""
    if change.value is None:
        return ""
    return _("Accuracy changes by {change}.").format(change=number_text(change))


def _estimated_budget(parent: Model, curve: BudgetCurve, wanted: Requirements) -> int:
    """Where the curves say that the drop holds: a first look, before anything is solved."""
    drop = wanted.largest_drop if wanted.largest_drop is not None else wanted.worst_class
    assert drop is not None, "one of them is limited"
    try:
        found = smallest_within(known_estimator(parent), curve, drop)
    except Refused:  # this server keeps no scans: nothing is known yet
        found = sqrt(curve.smallest * curve.largest)
    return round(found)


def _curve(parent: Model, table: OptionTable, held: Held) -> BudgetCurve:
    key = digest("budget curve", parent.key, str(table.as_json()) if held else table.n, held)
    return engine.store().get(key, lambda: curve_of(table, Resource.BYTES), lambda c: c.taken.nbytes + 4096)


def _solving(parent: Model, plan: ScanPlan, wanted: Requirements, held: Held) -> PageJob[BudgetFound]:
    asked = BudgetPlan(
        requirements=wanted,
        scan=plan,
        held={name: [dict(step) for step in steps] for name, steps in held.items()},
    )
    return PageJob(
        BUDGET,
        jobs.job_of(BUDGET, parent, asked, 0),
        _("Solve and measure"),
        lambda _found: 2**14,
        is_of_knobs=True,
    )
