"""Lines of the log without numbers: a button has them measured, one at a time, while the page stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from compress_core.apply.groups_needed import NeededGroups
from compress_core.apply.lineage import Lineage
from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.evaluate import evaluate
from compress_core.subject.subject import Subject
from dashboard import engine, saved_work, trial_log
from dashboard.long_searches import GroupsNotFoundError, is_left, made
from dashboard.text import TOO_MUCH_MEMORY, _, literal, refusal
from dashboard.tune.trial_words import TriedLine

_ON, _REFUSED = "slimscope.tried.measuring", "slimscope.tried.unmeasurable"
Reasons = dict[str, Refused | None]  # of each model that was tried here by its key: why it cannot be measured


class NotSearchedError(Refused):
    """A line is not measured as long as some groups are not found, which its model needs."""

    def __init__(self, needed: NeededGroups) -> None:
        self.needed = needed
        super().__init__(
            N_(
                "It is not known yet which channels of this network shrink together: open this recipe, and "
                "they are found."
            )
        )


def draw(subject: Subject, lines: Sequence[TriedLine]) -> None:
    """The button, and what is being measured or could not be; nothing where every line has its numbers."""
    if trial_log.SPLIT not in subject.splits:
        return
    reasons: Reasons = st.session_state.setdefault(_REFUSED, {})
    forget_what_was_found(reasons)
    missing = {line.trial.model: _named(line) for line in reversed(lines) if not line.trial.split}
    for key, reason in reasons.items():
        if key in missing and reason is not None:
            st.caption(f"{literal(missing[key])}: {literal(refusal(reason))}")
    left = [key for key in missing if key not in reasons]
    log = trial_log.log_of(subject)
    is_on = bool(left) and st.session_state.get(_ON) == log
    st.session_state[_ON] = log if is_on else None
    if not left:
        return
    st.button(
        _("Stop measuring") if is_on else _("Measure lines without numbers: {count}").format(count=len(left)),
        key="tried.measure",
        icon=":material/stop:" if is_on else ":material/speed:",
        on_click=partial(_switch, None if is_on else log),
        help=_("One at a time, on all items of the validation split."),
    )
    if is_on:
        st.caption(
            _("Measuring {recipe} …, {count} left").format(recipe=literal(missing[left[0]]), count=len(left))
        )
        st.fragment(_until_measured, run_every=engine.ASK_EVERY_S)(subject, left[0], reasons)


def forget_what_was_found(reasons: Reasons) -> None:
    """A line whose groups were found since may be measured again."""
    for key, reason in list(reasons.items()):
        if isinstance(reason, NotSearchedError) and not is_left(reason.needed):
            del reasons[key]


def _switch(log: str | None) -> None:
    st.session_state[_ON] = log


def _named(line: TriedLine) -> str:
    return line.trial.name or line.recipe_name


def _until_measured(subject: Subject, key: str, reasons: Reasons) -> None:
    """Draws nothing; once this line is measured, or cannot be, the page is drawn with what came of it."""
    way, store = saved_work.way_to(key), engine.store()
    if way is None:
        reasons[key] = Refused(
            "This recipe was tried with another release, and this one cannot read it: set its steps again."
        )
        st.rerun()
    measure = partial(_numbers, subject, way, store)
    if not engine.compared_within(0, f"line of the log:{key}", measure):
        return
    try:
        model, numbers = measure()
        reasons[key] = None
        trial_log.complete(model, numbers)
    except GroupsNotFoundError as missing:
        reasons[key] = NotSearchedError(missing.needed)
    except Refused as refused:
        reasons[key] = refused
    except MemoryError:
        reasons[key] = Refused(TOO_MUCH_MEMORY)
    st.rerun()


def _numbers(subject: Subject, way: Lineage, store: Store) -> tuple[Model, Mapping[str, Number]]:
    """A model and its numbers on all items, which the store has from then on; raises Refused."""
    model = made(subject, way)
    return model, evaluate(model, subject.split(trial_log.SPLIT), store)
