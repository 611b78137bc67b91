"""One budget over pruning, rank and bits: every budget is looked up, one is solved and measured as a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.decide.budget_curve import BudgetCurve, Choice
from compress_core.decide.budget_found import BudgetFound
from compress_core.decide.budgeting import FAMILIES, BudgetPlan
from compress_core.decide.option_table import OptionTable
from compress_core.decide.options import PlaceOptions, Resource
from compress_core.decide.requirements import Requirements
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.solve import curve_of, refuse_infeasible
from compress_core.foundation.printable import printable
from compress_core.foundation.store import digest
from compress_core.foundation.texts import N_
from compress_core.tasks.solve_budget import BUDGET
from compress_core.tasks.weigh_options import OPTIONS
from dashboard import chosen_split, engine, state
from dashboard import job_panel as jobs
from dashboard.figures.budget_divergence import MeasuredBudget, budget_divergence
from dashboard.figures.words import in_bytes
from dashboard.number_table import height_of, number_table
from dashboard.page_job import PageJob
from dashboard.shared_choice import SharedChoice
from dashboard.show import figure, is_dark, provenance, with_interval
from dashboard.text import _, literal
from dashboard.tune.recipe_words import step_words
from dashboard.tune.steps import keep

if TYPE_CHECKING:
    from dashboard.view import View

TITLE = N_("Budget")
ORDER = 50
SPLIT = "validation"
HELD = "slimscope.budget.held"
SLIDER, TYPED, LOCKS = "budget.slider", "budget.bytes", "budget.locks"
_USUAL_SHARE = 0.1
_MOST_DIGITS = 12
Held = Mapping[str, Sequence[Mapping[str, Any]]]


def _whole_bytes(text: str) -> int | None:
    return int(text) if text.isdecimal() and 0 < len(text) <= _MOST_DIGITS else None


BYTES: SharedChoice[int] = SharedChoice("budget", 0, _whole_bytes)


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
        words, button = st.columns([3, 1.2], vertical_alignment="center")
        words.caption(
            _(
                "Each layer of the model as loaded is compressed alone to many degrees, pruning with bits "
                "and rank with bits too, and weighed. After that every budget is answered at once."
            )
        )
        weighing.button(button, view, label=weighing.title, icon=":material/scale:", type="primary")
        weighing.follow()
        return
    _budget(view, parent, plan, table)


def _budget(view: View, parent: Model, plan: ScanPlan, whole: OptionTable) -> None:
    held: Held = st.session_state.get(HELD, {})
    table = whole.held(held)
    curve = _curve(parent, table, held)
    budget = BYTES.chosen() or round(_USUAL_SHARE * whole.original.packed_bytes)
    _how_much(curve, whole, budget)
    refuse_infeasible(table, {Resource.BYTES: float(budget)})
    choice = curve.at(budget)
    assert choice is not None, "what is feasible has an answer"
    work = _solving(parent, plan, budget, held)
    found = work.result()
    left, right = st.columns([1, 1.15], gap="large")
    with left:
        measured = (
            None if found is None else MeasuredBudget(found.cost[Resource.BYTES.value], found.kl_polished)
        )
        drawn = budget_divergence(
            *curve.drawn(), budget=budget, expected=choice.kl, solved=measured, dark=is_dark()
        )
        figure(drawn, "budget.curve", provenance(split=SPLIT, items=table.n, lineage=()))
    with right:
        _recipe(table, choice, held)
    words, button = st.columns([3, 1.2], vertical_alignment="center")
    words.caption(
        _(
            "Solving makes the real file fit, tries changes that keep its size on validation items, and "
            "measures what comes out on all of them."
        )
    )
    work.button(
        button, view, label=work.title, icon=":material/calculate:", type="primary", key="budget.solve"
    )
    work.follow()
    if found is not None:
        _found(found)


def _curve(parent: Model, table: OptionTable, held: Held) -> BudgetCurve:
    key = digest("budget curve", parent.key, str(table.as_json()) if held else table.n, held)
    return engine.store().get(key, lambda: curve_of(table, Resource.BYTES), lambda c: c.taken.nbytes + 4096)


def _how_much(curve: BudgetCurve, whole: OptionTable, budget: int) -> None:
    """The slider over all budgets, and a box for an exact one; both say the same."""
    budgets = [round(value) for value in curve.drawn()[0]]
    nearest = min(range(len(budgets)), key=lambda at: abs(budgets[at] - budget))
    st.session_state[SLIDER], st.session_state[TYPED] = nearest, budget
    slide, box = st.columns([3, 1.2], gap="medium")
    slide.select_slider(
        _("Budget: packed file, at most"),
        list(range(len(budgets))),
        format_func=lambda at: in_bytes(budgets[at]),
        key=SLIDER,
        on_change=lambda: BYTES.choose(budgets[st.session_state[SLIDER]]),
        help=_("As loaded it takes {size}.").format(size=in_bytes(whole.original.packed_bytes)),
    )
    box.number_input(
        _("Bytes"),
        min_value=1,
        step=100,
        key=TYPED,
        on_change=lambda: BYTES.choose(int(st.session_state[TYPED])),
    )


def _recipe(table: OptionTable, choice: Choice, held: Held) -> None:
    """What each layer gets, why, and which rows stay so."""
    places = table.layers
    number_table(
        pd.DataFrame([_row(place, option) for place, option in zip(places, choice.options, strict=True)]),
        "budget.recipe",
        provenance(split=SPLIT, items=table.n, lineage=()),
        taken=pd.DataFrame(
            {
                "layer": [place.place for place in places],
                "steps": [str([step.as_json() for step in option.steps]) for option in choice.options],
                "bytes_estimated": [option.cost.packed_bytes for option in choice.options],
                "kl_estimated": [option.kl for option in choice.options],
            }
        ),
        caption=_(
            "All estimated. A byte more on a layer wins its price; all prices are alike where it is best."
        ),
        height=height_of(len(places), 320),
    )
    names = [place.key for place in places]
    st.session_state[LOCKS] = [name for name in names if name in held]
    st.multiselect(
        _("Rows that stay as they are here"),
        names,
        key=LOCKS,
        format_func=printable,
        on_change=_hold,
        args=({p.key: [s.as_json() for s in o.steps] for p, o in zip(places, choice.options, strict=True)},),
        placeholder=_("none is locked"),
    )


def _hold(now: Held) -> None:
    """Rows that were locked before keep what they had, others take what stands in the table."""
    before: Held = st.session_state.get(HELD, {})
    st.session_state[HELD] = {name: before.get(name, now[name]) for name in st.session_state[LOCKS]}


def _row(place: PlaceOptions, option: Any) -> dict[str, Any]:
    price = place.prices(option)["price_milder"]
    said = "; ".join(step_words(step) for step in option.steps) or _("as it is")
    return {
        _("Layer"): printable(place.place),
        _("What is done"): said,
        _("Bytes"): round(option.cost.packed_bytes),
        _("KL (nat)"): f"{option.kl:.2g}",
        _("Price (nat/KiB)"): "–" if price is None else f"{price * 1024:.2g}",
    }


def _solving(parent: Model, plan: ScanPlan, budget: int, held: Held) -> PageJob[BudgetFound]:
    asked = BudgetPlan(
        requirements=Requirements(packed_bytes=budget),
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


def _found(found: BudgetFound) -> None:
    """What was measured, and the button that makes it the visitor's recipe."""
    size = in_bytes(found.cost[Resource.BYTES.value])
    st.table(
        pd.DataFrame(
            {
                _("Packed file"): [size],
                _("Accuracy"): [with_interval(found.numbers["accuracy"])],
                _("Accuracy change"): [with_interval(found.numbers["accuracy_change"])],
                _("KL divergence"): [with_interval(found.numbers["kl"])],
            }
        ),
        border="horizontal",
        hide_index=True,
    )
    words, button = st.columns([3, 1.2], vertical_alignment="center")
    words.caption(
        literal(
            _(
                "On {n:,} items {evaluations} changes were measured and {accepted} kept: {before:.4g} became "
                "{after:.4g} nat. The numbers above are of all validation items."
            ).format(
                n=found.n,
                evaluations=found.evaluations,
                accepted=found.accepted,
                before=found.kl_solved,
                after=found.kl_polished,
            )
        )
    )
    button.button(
        _("Take it over"),
        key="budget.take",
        icon=":material/check:",
        on_click=_take_over,
        args=(found,),
        help=_("The recipe of all pages is this one then; Undo leads back."),
        width="stretch",
    )


def _take_over(found: BudgetFound) -> None:
    """Make this the visitor's recipe, of the model as loaded."""
    view = state.required()
    if view.stands_on:
        state.keep(state.at(view, view.lineage[:0]))
    keep(found.recipe)
