"""A job of a page: start it, follow it, show what it left. Every page does it through here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.foundation.errors import Refused
from compress_core.foundation.store import digest
from dashboard import engine
from dashboard import job_panel as jobs
from dashboard.text import _
from dashboard.view import View

if TYPE_CHECKING:
    from compress_core.jobs.info import Info
    from compress_core.jobs.job import Job
    from compress_core.jobs.task import Task

Result = TypeVar("Result")


@dataclass(frozen=True)
class PageJob(Generic[Result]):
    """A job that a visitor may start; nbytes says how much memory its result takes.

    title is what the header calls it while it runs.
    """

    task: Task[Any, Result]
    job: Job
    title: str
    nbytes: Callable[[Result], int]

    @property
    def info(self) -> Info:
        """How it stands."""
        return jobs.info(self.job.key)

    @property
    def can_start(self) -> bool:
        """Whether starting it could lead to a result: what was refused once is refused again."""
        from compress_core.jobs.info import State

        return self.info.state in {State.UNKNOWN, State.CANCELLED, State.FAILED}

    def submit(self, view: View) -> None:
        """Have it done for this visitor."""
        jobs.submit(self.job, view, self.title)

    def button(self, place: DeltaGenerator, view: View, *, label: str, icon: str, **more: Any) -> None:
        """The button that starts it."""
        place.button(
            label,
            icon=icon,
            disabled=not self.can_start,
            on_click=self.submit,
            args=(view,),
            width="stretch",
            **more,
        )

    def follow(self) -> None:
        """How far it is while it runs; afterwards why it left no result, where it left none."""
        found = self.info
        if found.is_over:
            jobs.outcome(found)
        else:
            jobs.watch(self.job.key)

    def result(self) -> Result | None:
        """What it left, read once for everybody; None until it is done."""
        if not self.is_done:
            return None
        return engine.store().get(digest("result of a job", self.job.key), self._read, self.nbytes)

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

    def last_result(self, shown: str, view: View) -> LastResult[Result] | None:
        """The newest result for this model and these items, which stays until there is a newer one.

        shown: where the session remembers it. None where there is none yet.
        """
        if self.is_done:
            st.session_state[shown] = _Remembered(self.job, view.recipe.sha)
        last: _Remembered | None = st.session_state.get(shown)
        if last is None or last.job.content != self.job.content:
            return None
        result = replace(self, job=last.job).result()
        return (
            None
            if result is None
            else LastResult(result, last.job, last.recipe, last.job.key != self.job.key)
        )


@dataclass(frozen=True)
class _Remembered:
    """The finished job whose result is on the screen, and the recipe it speaks of."""

    job: Job
    recipe: str


@dataclass(frozen=True, eq=False)
class LastResult(Generic[Result]):
    """A result on the screen; stale where it belongs to another recipe or other knobs than are set now."""

    result: Result
    job: Job
    sha: str
    is_stale: bool

    @property
    def recipe_sha(self) -> str:
        """The digest of the recipe it speaks of; empty where nothing was changed."""
        return self.sha if json.loads(self.job.lineage) else ""

    @property
    def recipe(self) -> str:
        """What the recipe it speaks of is called."""
        return self.recipe_sha[:8] or _("unchanged")

    @property
    def knobs(self) -> dict[str, Any]:
        """The knobs with which it was made."""
        knobs: dict[str, Any] = json.loads(self.job.knobs)
        return knobs
