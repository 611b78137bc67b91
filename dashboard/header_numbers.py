"""Which numbers of a model the header has: of all items, of the first ones, or of the recipe before.

What is known is shown at once. Where the rest takes a while, the numbers of the recipe before stand first,
marked as stale, then those of the first items, marked as such, then those of all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

import streamlit as st

from compress_core.subject.answer_kind import PredictionTask
from dashboard import engine, trial_log
from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.foundation.number import Number
    from compress_core.measure.behavior.metric import Metric
    from compress_core.subject.split import Split

SPLIT = "validation"
WAITING = "…"
_LAST = "slimscope.last_numbers"
_BESIDE = "slimscope.numbers_beside"  # those that the page shows beside its estimates


class Freshness(Enum):
    """What numbers speak of: all items, the first ones, or another recipe, which was there before."""

    EXACT = auto()
    QUICK = auto()
    STALE = auto()


@dataclass(frozen=True, eq=False)
class HeaderNumbers:
    """Numbers of one model, known by its key and that of its subject, on so many items of the split.

    unanswered: how many of these get no finite answer, where there are such.
    """

    model: str
    subject: str
    is_changed: bool
    numbers: Mapping[str, Number]
    items: int
    all_items: int
    freshness: Freshness
    task: PredictionTask = PredictionTask.CLASSIFICATION
    unanswered: str | None = None

    def headline(self) -> Metric:
        """The metric that stands for the model: the first one that is measured."""
        from compress_core.measure.behavior.metric import Shown, shown_metrics

        choices = shown_metrics(Shown.HEADLINE, self.task)
        return next(
            (metric for metric in choices if self.numbers[metric.name].value is not None), choices[-1]
        )

    def moved(self) -> Metric:
        """The metric that says how far answers moved: the last headline, or divergence."""
        from compress_core.measure.behavior.metric import Shown, metrics, shown_metrics

        choices = shown_metrics(Shown.HEADLINE, self.task)
        return choices[-1] if len(choices) > 1 else metrics()["kl"]

    def caption(self, title: str) -> str:
        """What stands above a number: of how many items it is, and whether it is provisional or stale."""
        said = _("{metric} on {split}, N = {items:,}").format(metric=title, split=_(SPLIT), items=self.items)
        if self.freshness is Freshness.QUICK:
            said += " " + _("of {all:,}").format(all=self.all_items)
        marks = {Freshness.EXACT: "", Freshness.QUICK: f" {WAITING}", Freshness.STALE: f" · {_('stale')}"}
        return said + marks[self.freshness]

    def sentence(self) -> str:
        """What the numbers were measured on, and which items count as wrong for want of an answer."""
        said = {
            Freshness.EXACT: _("Measured on {items:,} items of the {split} split, the same for both models."),
            Freshness.QUICK: _(
                "The first {items:,} items of the {split} split only; all of them are being computed."
            ),
            Freshness.STALE: _(
                "Stale: of the recipe before, on {items:,} items of the {split} split. "
                "The current recipe is being measured."
            ),
        }
        measured = said[self.freshness].format(items=self.items, split=_(SPLIT))
        return measured if self.unanswered is None else f"{measured} {_(self.unanswered)}"


def known(model: Model) -> HeaderNumbers | None:
    """The best that is there without computing anything."""
    return exact(model) or _quick_if_known(model) or _last(model)


def exact(model: Model) -> HeaderNumbers | None:
    """The numbers of all items, if they were computed."""
    from compress_core.apply.model import Model
    from compress_core.measure.behavior.evaluate import evaluate

    last = _last(model)
    if last is not None and last.freshness is Freshness.EXACT:
        return last
    split = model.subject.split(SPLIT)
    if not all(engine.is_evaluated(one, split) for one in (model, Model.original(model.subject))):
        return None
    numbers = evaluate(model, split, engine.store())
    return _of(model, numbers, split, len(split), Freshness.EXACT)


def within_patience(model: Model, on_quick: Callable[[HeaderNumbers], None]) -> HeaderNumbers | None:
    """The numbers of all items where they take no longer than a moment, else of the first ones.

    on_quick: what to do with those of the first ones as soon as they are known, where the others are waited
    for. Raises Refused where the network cannot be run on them.
    """
    from compress_core.measure.behavior.evaluate import evaluate

    split = model.subject.split(SPLIT)
    if len(split) > engine.QUICK_ITEMS and not engine.evaluated_within(engine.AT_ONCE_S, model, split):
        quick = _quick(model, split)
        if not engine.others_wait():
            on_quick(quick)
        if not engine.evaluated_within(engine.PATIENCE_S, model, split):
            return quick
    evaluate(model, split, engine.store())
    return exact(model)


def has_ended(model: Model) -> bool:
    """Whether the computing of all items has come to its end, a good or a bad one."""
    split = model.subject.split(SPLIT)
    return len(split) <= engine.QUICK_ITEMS or engine.evaluated_within(0, model, split)


def of_this_recipe(model: Model) -> HeaderNumbers | None:
    """What the header of this run says of this very model; the page is drawn anew once it says more."""
    last = _last(model)
    found = None if last is None or last.freshness is Freshness.STALE else last
    st.session_state[_BESIDE] = (model.key, None if found is None else found.freshness)
    return found


def is_overtaken(model: Model, freshness: Freshness | None) -> bool:
    """Whether the page was drawn with other numbers of a model than those of the header; said once.

    Where others wait for theirs, those of the first items are not worth another run: all of them bring one.
    """
    key, beside = st.session_state.pop(_BESIDE, ("", None))
    if freshness is Freshness.QUICK and engine.others_wait():
        return False
    return key == model.key and freshness is not Freshness.STALE and beside is not freshness


def remember(model: Model, found: HeaderNumbers) -> None:
    """Keep what this tab shows, for the moment after the next change; exact numbers go to the log once."""
    if found.freshness is Freshness.STALE:
        return
    last: HeaderNumbers | None = st.session_state.get(_LAST)
    st.session_state[_LAST] = found
    is_news = last is None or (last.model, last.freshness) != (found.model, found.freshness)
    if is_news and found.freshness is Freshness.EXACT:
        trial_log.complete(model, found.numbers)


def _last(model: Model) -> HeaderNumbers | None:
    """What this tab showed last of the same network, stale unless it was this very model."""
    last: HeaderNumbers | None = st.session_state.get(_LAST)
    if last is None or last.subject != model.subject.key:
        return None
    return last if last.model == model.key else replace(last, freshness=Freshness.STALE)


def _quick_if_known(model: Model) -> HeaderNumbers | None:
    split = model.subject.split(SPLIT)
    if len(split) <= engine.QUICK_ITEMS or not engine.is_evaluated(model, engine.first_items(split)):
        return None
    return _quick(model, split)


def _quick(model: Model, split: Split) -> HeaderNumbers:
    quick = engine.quick_numbers(model, split)
    return _of(model, quick.numbers, engine.first_items(split), len(split), Freshness.QUICK)


def _of(
    model: Model, numbers: Mapping[str, Number], on: Split, all_items: int, freshness: Freshness
) -> HeaderNumbers:
    """Numbers that were measured on these items, so that their answers are known."""
    from compress_core.measure.behavior.unanswered import unanswered

    store = engine.store()
    return HeaderNumbers(
        model.key,
        model.subject.key,
        model.is_changed,
        numbers,
        len(on),
        all_items,
        freshness,
        model.subject.task,
        unanswered(model, on, store.without_workspace() if freshness is Freshness.QUICK else store),
    )
