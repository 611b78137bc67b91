"""A job of a page is started, followed and shown in one place."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st

from compress_core.apply.lineage import compressed_by, lineage_text
from compress_core.jobs.info import Info, State
from compress_core.jobs.job import Job
from compress_core.recipe.values import ResolvedRecipe, Step
from dashboard import job_panel
from dashboard.lineage_name import lineage_name
from dashboard.page_job import PageJob, lineage_of_job
from dashboard.visitor_jobs import remember_jobs

ROOT = Path(__file__).resolve().parent.parent
SHOWN = "slimscope.test.shown"


class Doubled:
    """A task whose result is what its file says, twice."""

    def result(self, content: bytes) -> str:
        return 2 * content.decode()


JOB = Job(kind="doubled", content="weights and items", subject="lenet5", lineage="[]", knobs="{}", seed=0)


def of_recipe(sparsity: float, **more: str) -> Job:
    lineage = compressed_by(ResolvedRecipe((("fc1", (Step.of("magnitude", sparsity=sparsity),)),)))
    return replace(JOB, lineage=lineage_text(lineage), **more)


OLDEST, OLDER, NOW = of_recipe(0.1), of_recipe(0.2), of_recipe(0.3)
STARTED = (OLDEST, OLDER, of_recipe(0.2, knobs='{"a":1}'), of_recipe(0.2, kind="halved"))


def page_job(job: Job) -> PageJob[str]:
    return PageJob(Doubled(), job, "Double it", len)


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> dict[str, Info]:
    """How jobs stand, by key; every other one is unknown."""
    known: dict[str, Info] = {}
    monkeypatch.setattr(job_panel, "info", lambda key: known.get(key) or Info(key, State.UNKNOWN))
    monkeypatch.setattr(job_panel, "result", lambda _key: b"a")
    monkeypatch.setattr(job_panel, "job", {job.key: job for job in STARTED}.get)
    monkeypatch.setattr(st, "session_state", {})
    remember_jobs({job.key: "Double it" for job in STARTED})
    return known


@pytest.mark.parametrize("state", list(State))
def test_what_could_still_lead_to_a_result_can_be_started(states: dict[str, Info], state: State) -> None:
    states[JOB.key] = Info(JOB.key, state)
    starts = {State.UNKNOWN, State.CANCELLED, State.FAILED}
    assert page_job(JOB).can_start == (state in starts)


def test_the_last_result_stays_and_is_stale_once_something_else_is_wanted(states: dict[str, Info]) -> None:
    assert page_job(JOB).last_result(SHOWN) is None
    states[JOB.key] = Info(JOB.key, State.DONE)
    fresh = page_job(JOB).last_result(SHOWN)
    assert fresh is not None
    assert (fresh.result, fresh.is_stale) == ("aa", False)
    stale = page_job(replace(JOB, seed=1)).last_result(SHOWN)
    assert stale is not None
    assert (stale.result, stale.is_stale, stale.job) == ("aa", True, JOB)


def test_a_result_of_other_weights_or_items_is_not_shown(states: dict[str, Info]) -> None:
    states[JOB.key] = Info(JOB.key, State.DONE)
    page_job(JOB).last_result(SHOWN)
    assert page_job(replace(JOB, content="others")).last_result(SHOWN) is None


def test_a_job_that_ends_after_the_recipe_was_changed_is_the_last_result_of_its_own_recipe(
    states: dict[str, Info],
) -> None:
    states[OLDEST.key] = Info(OLDEST.key, State.DONE)
    first = page_job(NOW).last_result(SHOWN)
    states[OLDER.key] = Info(OLDER.key, State.DONE)
    then = page_job(NOW).last_result(SHOWN)
    assert first is not None
    assert then is not None
    assert (first.job, then.job) == (OLDEST, OLDER)
    assert (then.is_stale, then.result) == (True, "aa")
    older, now = (lineage_name(lineage_of_job(job)) for job in (OLDER, NOW))
    assert then.recipe == older != now


def test_what_is_on_the_screen_stays_until_something_ends(states: dict[str, Info]) -> None:
    for job in (OLDEST, OLDER):
        states[job.key] = Info(job.key, State.DONE)
    page_job(OLDEST).last_result(SHOWN)
    stays = page_job(NOW).last_result(SHOWN)
    assert stays is not None
    assert stays.job == OLDEST


def test_after_a_reload_the_newest_that_ended_is_shown(states: dict[str, Info]) -> None:
    for job in (OLDEST, OLDER):
        states[job.key] = Info(job.key, State.DONE)
    found = page_job(NOW).last_result(SHOWN)
    assert found is not None
    assert found.job == OLDER


def test_a_place_for_certain_knobs_shows_no_result_of_others(states: dict[str, Info]) -> None:
    other = STARTED[2]
    states[other.key] = Info(other.key, State.DONE)
    assert replace(page_job(NOW), is_of_knobs=True).last_result(SHOWN) is None
    found = page_job(NOW).last_result(SHOWN)
    assert found is not None
    assert found.knobs == {"a": 1}


def test_a_job_of_another_kind_is_no_older_result(states: dict[str, Info]) -> None:
    states[STARTED[3].key] = Info(STARTED[3].key, State.DONE)
    assert page_job(NOW).last_result(SHOWN) is None


def test_what_runs_for_another_recipe_is_followed(
    states: dict[str, Info], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: list[str] = []
    monkeypatch.setattr(job_panel, "watch", watched.append)
    states[OLDER.key] = Info(OLDER.key, State.RUNNING)
    page_job(NOW).follow()
    assert watched == [OLDER.key]


def test_no_page_starts_or_follows_a_job_by_itself() -> None:
    by_hand = re.compile(r"\bjobs\.(submit|watch|info|outcome|runner|result)\(")
    files = [path for wing in ("pages", "dashboard") for path in (ROOT / wing).rglob("*.py")]
    found = {path.name for path in files if by_hand.search(path.read_text(encoding="utf-8"))}
    assert found <= {"page_job.py", "job_panel.py"}
