"""Long work of a visitor: started, watched and cancelled. The page never waits for it.

Workers never call Streamlit; a fragment asks how far they are, and stops asking when they end.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from compress_core.foundation.errors import Refused
from dashboard import engine, state
from dashboard.shared_value import SharedValue
from dashboard.text import _, literal, refusal
from dashboard.view import View
from dashboard.visitor import visitor
from dashboard.visitor_jobs import is_unwanted, jobs_of_visitor, note_wanted, remember_jobs

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.foundation.knobs import Strict
    from compress_core.jobs.info import Info
    from compress_core.jobs.job import Job
    from compress_core.jobs.runner import Runner
    from compress_core.jobs.task import Task

EVERY_SECONDS = 1.0


@SharedValue
def runner() -> Runner:
    """The one runner of this server: this machine, or the cluster that SLIMSCOPE_RUNNER names.

    SLIMSCOPE_WORKERS says how many jobs run at once: 1 here, 8 on a cluster.
    """
    from compress_core.jobs.cluster.address import cluster_address

    if cluster_address() is None:
        from compress_core.jobs.local_runner import LocalRunner

        return LocalRunner(engine.workspace(), most_at_once=_workers(1))
    from compress_core.jobs.cluster.ray_runner import MOST_AT_ONCE, RayRunner

    return RayRunner(engine.workspace(), most_at_once=_workers(MOST_AT_ONCE))


def _workers(usual: int) -> int:
    return max(1, int(os.environ.get("SLIMSCOPE_WORKERS", str(usual))))


def job_of(task: Task[Any, Any], model: Model, knobs: Strict, seed: int) -> Job:
    """The job of doing a task with a model, to look up what is known of it."""
    return task.job(model, knobs, seed, found_in=model.subject.name)


def submit(wanted: Job, view: View, title: str, beside: str = "") -> None:
    """Have a job done for this visitor; title is what the header calls it.

    Where no other process can build the visitor's network, or the disk is full, the next run says why, beside
    the button of this key.
    """
    from compress_core.jobs.bundle import bundle_of

    if view.trainings and engine.workspace().folder is None:
        state.notice(
            _(
                "This server keeps nothing on a disk, so no other process finds the weights of a trained "
                "model: start it with SLIMSCOPE_WORKSPACE set to a folder."
            ),
            beside,
        )
        return
    try:
        if view.model.startswith(state.USER_MODEL):
            wanted = replace(wanted, subject=runner().put(bundle_of(state.subject(view))))
        runner().submit(wanted, visitor())
    except Refused as refused:
        state.notice(refusal(refused), beside)
        return
    note_wanted(wanted.key, is_wanted=True)
    remember_jobs({wanted.key: title})
    state.keep(view)


def info(key: str) -> Info:
    """How a job stands for this visitor: what he cancelled is over, though it may go on for others."""
    from compress_core.jobs.info import State

    found = runner().info(key)
    return replace(found, state=State.CANCELLED) if _is_for_others(key, found) else found


def goes_on_for_others(key: str) -> bool:
    """Whether this visitor cancelled a job that others still wait for."""
    return _is_for_others(key, runner().info(key))


def _is_for_others(key: str, found: Info) -> bool:
    return is_unwanted(key) and bool(found.watchers) and not found.is_over


def job(key: str) -> Job | None:
    """What was to be done under a key, as it was submitted; None where that is not known any more."""
    from compress_core.foundation.release import lasting_key
    from compress_core.jobs.job import Job

    known = engine.workspace().jobs.find(lasting_key(key))
    return None if known is None else Job.read(known.job)


def result(key: str) -> bytes | None:
    """What a job left, for the `result` of its task; None where it is not done, or was let go since."""
    return runner().result(key)


def cancel(key: str) -> None:
    """Have it done for this visitor no more; it goes on for others who want it."""
    note_wanted(key, is_wanted=False)
    runner().cancel(key, visitor())


def under_way() -> dict[str, str]:
    """The titles of this visitor's jobs that wait or run, by key; asks no runner where there are none."""
    return {key: title for key, title in jobs_of_visitor().items() if not info(key).is_over}


def watch(key: str, shown: Callable[[Info], None] | None = None) -> None:
    """Progress, time left and a button to cancel, drawn anew every second until the job ends.

    shown draws what else there is to see of it, below.
    """
    st.fragment(_watched, run_every=EVERY_SECONDS)(key, shown)


def summary() -> None:
    """The visitor's running jobs in one line, for the header; nothing where there are none."""
    if under_way():
        st.fragment(_summed_up, run_every=EVERY_SECONDS)()


def _watched(key: str, shown: Callable[[Info], None] | None) -> None:
    found = info(key)
    if found.is_over:
        st.rerun()
    line, button = st.columns([5, 1], vertical_alignment="bottom")
    line.progress(found.progress.share if found.progress else 0.0, text=_how_far(found))
    button.button(
        _("Cancel"),
        key=f"jobs.cancel.{key}",
        icon=":material/stop_circle:",
        on_click=cancel,
        args=(key,),
        width="stretch",
    )
    _say_where(found)
    if shown is not None:
        shown(found)


def _summed_up() -> None:
    running = under_way()
    if not running:
        st.rerun()
    with st.popover(
        _("{count} running").format(count=len(running)), icon=":material/progress_activity:", width="stretch"
    ):
        for key, title in running.items():
            found = info(key)
            st.progress(
                found.progress.share if found.progress else 0.0, text=f"{literal(title)}: {_how_far(found)}"
            )
            _say_where(found)


def _say_where(found: Info) -> None:
    """Where on a cluster it is; nothing for a job of this machine."""
    from zoneinfo import ZoneInfo

    from dashboard.cluster_words import where_it_is

    if found.where is not None:
        st.caption(where_it_is(found.where, ZoneInfo(st.context.timezone or "UTC")))


def outcome(found: Info) -> None:
    """Why a job left no result, in one sentence; nothing where there is no problem."""
    if found.problem is not None:
        st.warning(literal(refusal(found.problem)), icon=":material/block:")


def _how_far(found: Info) -> str:
    from compress_core.jobs.info import State

    if found.state is State.QUEUED:
        return _("Waiting: {ahead} before it").format(ahead=found.ahead)
    if found.progress is None:
        return _("Starting")
    done = _("{done:,} of {total:,}").format(done=found.progress.done, total=found.progress.total)
    parts = [done, _(found.progress.note), _time_left(None if _is_silent(found) else found.seconds_left)]
    return " · ".join(part for part in parts if part)


def _is_silent(found: Info) -> bool:
    """Whether nobody knows how it goes on there."""
    from compress_core.jobs.whereabouts import JobStage

    return found.where is not None and found.where.stage is JobStage.SILENT


def _time_left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return _("about {seconds} s left").format(seconds=max(1, math.ceil(seconds)))
    return _("about {minutes} min left").format(minutes=math.ceil(seconds / 60))
