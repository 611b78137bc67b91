"""Search among all recipes as a job: most are estimated, the promising ones run, the front taken over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.decide.search_plan import MOST_OBJECTIVES, Objective, SearchPlan, no_accuracy, suited
from compress_core.decide.searched import Evaluated, Search
from compress_core.foundation.texts import N_
from compress_core.tasks.search_recipes import SEARCH
from dashboard import chosen_split
from dashboard import job_panel as jobs
from dashboard.bound_widget import beside, by_hand, refused_beside, showing
from dashboard.figures.measures import drawing_of
from dashboard.figures.search_front import ESTIMATED, FRONT, RUN, FrontAxis, search_front
from dashboard.knob_form import knob_widget
from dashboard.page_job import PageJob
from dashboard.show import figure, is_dark, provenance, refusals, with_interval
from dashboard.text import _, literal
from dashboard.trade_offs import estimates_checked, taken_recipe
from dashboard.trade_offs.kl_words import say_what_kl_is

if TYPE_CHECKING:
    from compress_core.jobs.info import Info
    from compress_core.subject.subject import Subject
    from dashboard.view import View

TITLE = N_("Search")
ORDER = 60
SPLIT = "validation"
PLAN = "slimscope.search.plan"
OBJECTIVES, WHICH = "search.objectives", "search.which"


def draw(view: View, model: Model) -> None:
    """What is wanted, the job, its front, and what its estimates were worth."""
    subject = model.subject
    if SPLIT not in chosen_split.offered(subject):
        st.info(
            _("There are no validation items to choose by, so nothing can be searched: upload items first."),
            icon=":material/upload_file:",
        )
        return
    parent = Model.original(subject)
    plan = _plan(view, subject)
    _widgets(plan, subject)
    work = _job(view, parent)
    words, button = st.columns([3, 1.2], vertical_alignment="center")
    words.caption(
        _(
            "Each layer is scanned alone where it was not yet; from that every recipe is estimated at "
            "once, and the promising ones are really run. What was run is kept: cancel to pause, and "
            "start again to go on."
        )
    )
    work.button(
        button,
        view,
        label=work.title,
        icon=":material/search:",
        anew=lambda now: _job(now, parent),
        type="primary",
        key="search.start",
    )
    work.follow(lambda info: _live(plan, info))
    found = work.result()
    if found is not None:
        _result(view, found)
        say_what_kl_is(subject)
    with st.expander(_("What the estimates are worth"), icon=":material/fact_check:"), refusals():
        estimates_checked.draw(parent)


def _job(view: View, parent: Model) -> PageJob[Search]:
    return PageJob(
        SEARCH,
        jobs.job_of(SEARCH, parent, _plan(view, parent.subject), view.seed),
        _("Search recipes"),
        lambda found: 2**10 * len(found.looked),
        is_of_knobs=True,
    )


def _plan(view: View, subject: Subject) -> SearchPlan:
    """What this visitor asks for; the rows that are locked on Tune stay as they are.

    Where there is no accuracy, the divergence stands for it.
    """
    plan: SearchPlan = st.session_state.get(PLAN, SearchPlan())
    asked = suited(plan.objectives, subject, SPLIT)
    return plan.model_copy(update={"locked": tuple(sorted(view.locked)), "objectives": asked})


def _offered(subject: Subject) -> list[Objective]:
    missing = no_accuracy(subject, SPLIT)
    return [one for one in Objective if missing is None or one is not Objective.ACCURACY]


def _widgets(plan: SearchPlan, subject: Subject) -> None:
    wanted, *knobs = st.columns([2, 1, 1, 1], vertical_alignment="bottom", gap="medium")
    with wanted:
        st.multiselect(
            _("Better at once"),
            _offered(subject),
            format_func=lambda objective: _(objective.label),
            key=showing(OBJECTIVES, list(plan.objectives)),
            on_change=by_hand(OBJECTIVES, _set_objectives),
            max_selections=MOST_OBJECTIVES,
        )
        beside(OBJECTIVES)
    for place, name in zip(knobs, ("trials", "evaluations", "sampler"), strict=True):
        with place:
            field = SearchPlan.model_fields[name]
            knob_widget(name, field, getattr(plan, name), f"search.{name}", _set)
            beside(f"search.{name}")


def _set_objectives() -> None:
    with refused_beside(OBJECTIVES, st.session_state[OBJECTIVES]):
        _set("objectives", tuple(st.session_state[OBJECTIVES]))


def _set(name: str, value: Any) -> None:
    """Keep another value; one that the plan does not take leaves it as it was."""
    plan: SearchPlan = st.session_state.get(PLAN, SearchPlan())
    if name == "objectives" and not value:
        return
    st.session_state[PLAN] = SearchPlan(**{**plan.model_dump(), name: value})


def _axes(plan: SearchPlan) -> tuple[FrontAxis, FrontAxis]:
    """A size to the right and a quality upwards, where there is one of each."""
    sizes = [o for o in plan.objectives if not o.is_quality] or list(plan.objectives[-1:])
    qualities = [o for o in plan.objectives if o.is_quality] or list(plan.objectives[:1])
    return _axis(sizes[0]), _axis(qualities[0])


def _axis(objective: Objective) -> FrontAxis:
    drawn = drawing_of(objective.unit)
    return FrontAxis(
        objective.value, _(objective.label), _(drawn.unit), not objective.is_quality, drawn.factor
    )


def _live(plan: SearchPlan, info: Info) -> None:
    """The recipes that were run so far; nothing before the first one."""
    told = next((said for said in reversed(info.figures) if said.get("run")), None)
    if told is None:
        return
    best = set(told["front"])
    rows = [{**run, "kind": FRONT if n in best else RUN} for n, run in enumerate(told["run"])]
    drawn = search_front(pd.DataFrame(rows), *_axes(plan), searched=told["searched"], dark=is_dark())
    figure(drawn, "search.live", provenance(split=SPLIT, lineage=()))


def _result(view: View, found: Search) -> None:
    drawn = search_front(_table(found), *_axes(found.plan), searched=found.searched, dark=is_dark())
    figure(drawn, "search.front", provenance(split=found.split, items=found.n, lineage=()))
    for sentence in _did_not_count(found):
        st.caption(sentence)
    of_solver = {each.positions for each in found.of_solver}
    st.caption(
        _(
            "{seeds} recipes to begin with came from the budget's solver, which pays one price for a byte in "
            "every layer; {run} of these were run, and {best} stand on the front."
        ).format(
            seeds=len(of_solver),
            run=sum(each.positions in of_solver for each in found.evaluated),
            best=sum(each.positions in of_solver for each in found.front),
        )
    )
    front = [each.evaluated for each in found.front if each.evaluated is not None]
    if not front:
        st.caption(_("None of the recipes could be run."))
        return
    st.table(_front_table(front, found.plan), border="horizontal")
    which, buttons = st.columns([1.5, 1.5], vertical_alignment="bottom")
    number = which.selectbox(
        _("Which of them"),
        list(range(len(front))),
        format_func=lambda n: _named(front[n], n, found.plan),
        key=WHICH,
    )
    with buttons:
        taken_recipe.buttons(view, front[number].recipe, "search")


def _did_not_count(found: Search) -> Iterator[str]:
    """Why fewer recipes stand in the figure than there were trials."""
    if found.again:
        yield _(
            "{again:,} of the {trials:,} trials proposed a recipe that an earlier one had proposed already: "
            "each counts once."
        ).format(again=found.again, trials=len(found.looked))
    if found.refused:
        yield _("{count:,} recipes could not be made, the first one because: {reason}").format(
            count=len(found.refused), reason=literal(_(found.refused[0].refused or ""))
        )


def _table(found: Search) -> pd.DataFrame:
    """A row for each different recipe; what was run stands with what was measured."""
    front = {each.number for each in found.front}
    rows: dict[object, dict[str, Any]] = {}
    for each in found.looked:
        if each.positions in rows or each.refused is not None:
            continue
        values: dict[str, Any] = {o.value: each.estimated.get(o) for o in found.plan.objectives}
        kind = ESTIMATED
        if each.evaluated is not None:
            values = {o.value: each.evaluated.numbers[o].value for o in found.plan.objectives}
            kind = FRONT if each.number in front else RUN
        rows[each.positions] = {**values, "kind": kind}
    return pd.DataFrame(rows.values())


def _front_table(front: list[Evaluated], plan: SearchPlan) -> pd.DataFrame:
    said = {
        _(objective.label): [with_interval(each.numbers[objective]) for each in front]
        for objective in plan.objectives
    }
    recipes = {_("Recipe"): [each.recipe.sha[:8] for each in front]}
    return pd.DataFrame({**recipes, **said}, index=pd.RangeIndex(1, len(front) + 1))


def _named(each: Evaluated, number: int, plan: SearchPlan) -> str:
    numbers = (with_interval(each.numbers[objective]) for objective in plan.objectives)
    return f"{number + 1}: {' · '.join(numbers)}"
