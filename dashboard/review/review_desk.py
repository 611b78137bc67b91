"""Left the gates and the button that looks, right the verdict and each gate; below, the evidence in parts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from compress_core.reviews.looks_at_test import are_counted, looks_so_far
from dashboard import engine, page_files
from dashboard.review import gate_choice, gate_rows, later_files, review_parts, verdict_words
from dashboard.review.review_job import ReviewOnPage, review_job, reviewed_split
from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.reviews.findings import LooksTaken, Review
    from compress_core.reviews.gate import Gates
    from compress_core.subject.split import Split
    from dashboard.page_job import LastResult, PageJob
    from dashboard.view import View

SHOWN = "slimscope.review.shown"


def draw(view: View, model: Model) -> None:
    """The whole page for a compressed model."""
    split = reviewed_split(model.subject)
    if split is None:
        st.info(
            _("There are no items to judge it on: upload an .npz file with test items beside the model."),
            icon=":material/upload_file:",
        )
        page_files.link("start")
        return
    asked, found = st.columns([1, 2.4], gap="medium")
    with asked:
        gates = gate_choice.chosen_gates(model.subject)
        work = review_job(model, gates, split)
        last = work.last_result(SHOWN)
        with gate_choice.draw(model.subject):
            later_files.draw(model.subject, model.subject.split(split), None if last is None else last.result)
        _look(view, model, gates, work, split)
    with found:
        if last is None:
            gate_rows.draw_asked(gates)
        else:
            _found(view, last)
    if last is not None:
        review_parts.draw(ReviewOnPage(view, model, last.result, last.is_stale))


def _look(view: View, model: Model, gates: Gates, work: PageJob[Review], split: str) -> None:
    """Since when the gates are fixed, how many looks there were, and the button."""
    items = model.subject.split(split)
    st.caption(_looks(looks_so_far(model.subject, items, gates, engine.store()), items))
    work.button(
        st.container(),
        view,
        label=_("Look at the {split} items and judge").format(split=_(split)),
        icon=":material/fact_check:",
        anew=lambda now: _as_chosen(now, split),
        key="review.look",
        type="primary",
        help=_("Nothing here looks at them before this is pressed; the look is noted for good."),
    )
    work.follow()


def _as_chosen(view: View, split: str) -> PageJob[Review]:
    from dashboard import state

    model = state.model(view)
    return review_job(model, gate_choice.chosen_gates(model.subject), split)


def _looks(looks: LooksTaken, items: Split) -> str:
    """How many models were looked at on these items, and whether the gates were fixed before."""
    if engine.workspace().folder is None:
        return _("This server keeps nothing, so how often these items were looked at is not known.")
    if not are_counted(items):
        return _(
            "This model has no test items, so it is judged on its {items:,} {split} items. Looks at them are "
            "not counted: their numbers stand in the header while a recipe is chosen."
        ).format(items=len(items), split=_(items.name))
    said = _("Models looked at on these {items:,} {split} items so far: {models:,}.").format(
        items=len(items), split=_(items.name), models=looks.models
    )
    if looks.fixed_before is None:
        fixed = _("The gates are noted before the first look, when you press the button.")
    elif looks.fixed_before:
        fixed = _("These gates are fixed since {when}, before the first look.").format(
            when=_moment(looks.gates_since)
        )
    else:
        fixed = _("These gates were not fixed before the first look: they may have been chosen to fit.")
    return f"{said} {fixed}"


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _found(view: View, last: LastResult[Review]) -> None:
    if last.is_stale:
        said = _(
            "Stale: this review is of another recipe, or by other gates, labels or groups, or for another "
            "target than now."
        )
        last.mark(view, said)
    verdict_words.draw(last.result)
    gate_rows.draw(last.result)
