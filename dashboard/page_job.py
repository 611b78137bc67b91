"""A job of a page: start it, follow it, show what it left. Every page does it through here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.foundation.errors import Refused
from dashboard import engine, state
from dashboard import job_panel as jobs
from dashboard.lineage_name import lineage_name
from dashboard.refused_here import notice_beside
from dashboard.text import _, refusal
from dashboard.view import View
from dashboard.visitor_jobs import jobs_of_visitor

if TYPE_CHECKING:
    from compress_core.apply.lineage import Lineage
    from compress_core.jobs.info import Info, State
    from compress_core.jobs.job import Job
    from compress_core.jobs.task import Task

Result = TypeVar("Result")


def _as_it_is(result: Result) -> Result:
    return result


@dataclass(frozen=True)
class PageJob(Generic[Result]):
    """A job that a visitor may start; nbytes says how much memory its result takes.

    title is what the header calls it while it runs. is_of_knobs: whether its place on the page is for these
    knobs alone, so that what was made with others is no older result of it. delivered: what becomes of a
    result, which others may have asked for, for whoever opened this model.
    """

    task: Task[Any, Result]
    job: Job
    title: str
    nbytes: Callable[[Result], int]
    is_of_knobs: bool = False
    delivered: Callable[[Result], Result] = _as_it_is

    @property
    def info(self) -> Info:
        """How it stands."""
        return jobs.info(self.job.key)

    @property
    def can_start(self) -> bool:
        """Whether starting it could lead to a result: what was refused once is refused again."""
        from compress_core.jobs.info import State

        return self.info.state in {State.UNKNOWN, State.CANCELLED, State.FAILED}

    def submit(self, view: View, beside: str = "") -> None:
        """Have it done for this visitor; beside: the key of the button by which it is said why it is not."""
        jobs.submit(self.job, view, self.title, beside)

    def button(
        self,
        place: DeltaGenerator,
        view: View,
        *,
        label: str,
        icon: str,
        key: str,
        anew: Callable[[View], PageJob[Result]] | None = None,
        **more: Any,
    ) -> None:
        """The button that starts it, and below it why it was not started, where that is so.

        anew: the job of the knobs as they are when it is pressed. Who sets a knob and presses at once is
        ahead of the page, which has not drawn the button of those knobs yet.
        """
        place.button(
            label,
            icon=icon,
            disabled=not self.can_start,
            key=key,
            on_click=self.submit if anew is None else _submit_anew,
            args=(view, key) if anew is None else (anew, key),
            width="stretch",
            **more,
        )
        with place:
            notice_beside(key)

    def watch(self) -> None:
        """How far it is, and nothing of others of its kind."""
        jobs.watch(self.job.key)

    def follow(self, shown: Callable[[Info], None] | None = None, *, with_others: bool = True) -> None:
        """How far it is while it runs; afterwards why it left no result, where it left none.

        shown draws what else there is to see of it with each look at it. The same for what was started for
        another recipe, or with other knobs, and is under way or failed, unless that is shown elsewhere.
        """
        found = self.info
        if found.is_over:
            jobs.outcome(found)
        else:
            jobs.watch(self.job.key, shown)
        for number, other in enumerate(self._others() if with_others else []):
            found = jobs.info(other.key)
            if not found.is_over:
                st.caption(
                    _("Under way for recipe {recipe}:").format(recipe=lineage_name(lineage_of_job(other)))
                )
                jobs.watch(other.key)
            elif number == 0 and found.problem is not None:
                st.caption(
                    _("What was started for recipe {recipe}:").format(
                        recipe=lineage_name(lineage_of_job(other))
                    )
                )
                jobs.outcome(found)

    def _others(self) -> list[Job]:
        """What this visitor started of the same kind on the same model and items, the newest first."""
        known = (jobs.job(key) for key in reversed(list(jobs_of_visitor())) if key != self.job.key)
        return [job for job in known if job is not None and self._is_alike(job)]

    def _is_alike(self, other: Job) -> bool:
        mine, theirs = (
            (job.kind, job.content, job.knobs if self.is_of_knobs else "") for job in (self.job, other)
        )
        return mine == theirs

    def result(self) -> Result | None:
        """What it left, read once for everybody; None until it is done."""
        from compress_core.foundation.store import digest

        if not self.is_done:
            return None
        found = engine.store().get(digest("result of a job", self.job.key), self._read, self.nbytes)
        return self.delivered(found)

    @property
    def is_done(self) -> bool:
        """Whether it left a result."""
        from compress_core.jobs.info import State

        return self.info.state is State.DONE

    def _read(self) -> Result:
        content = jobs.result(self.job.key)
        if content is None:
            raise Refused("The result of this job was let go to make room: start the job again.")
        return self.task.result(content)

    def last_result(self, shown: str) -> LastResult[Result] | None:
        """The newest result for this model and these items, which stays until there is a newer one.

        A job that ends after the recipe was changed is newer than what stood there before. shown: where the
        session remembers it. None where there is none yet.
        """
        others = self._others()
        ended = {job.key for job in others if jobs.info(job.key).state is _done()}
        last: _Remembered | None = st.session_state.get(shown)
        if self.is_done:
            last = _Remembered(self.job, frozenset(ended))
        else:
            newer = (job for job in others if job.key in ended - (last.ended if last else frozenset()))
            found = next(newer, None)
            last = _Remembered(found, frozenset(ended)) if found is not None else last
        if last is None or not self._is_alike(last.job):
            return None
        st.session_state[shown] = last
        result = replace(self, job=last.job).result()
        return None if result is None else LastResult(result, last.job, last.job.key != self.job.key)


def _submit_anew(anew: Callable[[View], PageJob[Any]], key: str) -> None:
    view = state.required()
    wanted = anew(view)
    if wanted.can_start:
        wanted.submit(view, key)


def _done() -> State:
    from compress_core.jobs.info import State

    return State.DONE


@dataclass(frozen=True)
class _Remembered:
    """The finished job whose result is on the screen; ended: the others that had ended by then."""

    job: Job
    ended: frozenset[str]


def lineage_of_job(job: Job) -> Lineage:
    """What was done to the model of a job; raises Refused where this release cannot read it."""
    from compress_core.apply.lineage import read_lineage

    return read_lineage(json.loads(job.lineage))


@dataclass(frozen=True, eq=False)
class LastResult(Generic[Result]):
    """A result on the screen; stale where it belongs to another recipe or other knobs than are set now."""

    result: Result
    job: Job
    is_stale: bool

    @property
    def told(self) -> tuple[Mapping[str, Any], ...]:
        """What it told of itself while it ran, as far as this server still knows it."""
        return jobs.info(self.job.key).figures

    @property
    def lineage(self) -> Lineage:
        """What was done to the model that it speaks of."""
        return lineage_of_job(self.job)

    @property
    def recipe(self) -> str:
        """What the recipe it speaks of is called."""
        return lineage_name(self.lineage)

    @property
    def knobs(self) -> dict[str, Any]:
        """The knobs with which it was made."""
        knobs: dict[str, Any] = json.loads(self.job.knobs)
        return knobs

    def mark(self, view: View, said: str) -> None:
        """Say in a sentence that it is stale; where it is of another recipe, a button leads there."""
        st.warning(said, icon=":material/history:")
        if self.lineage == view.lineage:
            return
        current = lineage_name(view.lineage)
        key = f"job.go.{self.job.key}"
        told = _("This is of recipe {recipe}, not of the current one, {current}.")
        words, button = st.columns([4, 1.6], vertical_alignment="center")
        words.caption(told.format(recipe=self.recipe, current=current))
        button.button(
            _("Go to recipe {recipe}").format(recipe=self.recipe),
            key=key,
            icon=":material/undo:",
            on_click=_go,
            args=(self.lineage, key),
            width="stretch",
        )
        notice_beside(key)


def _go(lineage: Lineage, key: str) -> None:
    try:
        state.keep(state.looking_at(state.required(), lineage))
    except Refused as refused:
        state.notice(refusal(refused), beside=key)
