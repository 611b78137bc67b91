"""A job of a page is started, followed and shown in one place."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st

from compress_core.jobs.info import Info, State
from compress_core.jobs.job import Job
from dashboard import job_panel
from dashboard.page_job import PageJob
from dashboard.view import View

ROOT = Path(__file__).resolve().parent.parent
SHOWN = "slimscope.test.shown"
VIEW = View("lenet5", (), "fc1")


class Doubled:
    """A task whose result is what its file says, twice."""

    def result(self, content: bytes) -> str:
        return 2 * content.decode()


JOB = Job(kind="doubled", content="weights and items", subject="lenet5", lineage="[]", knobs="{}", seed=0)


def page_job(job: Job) -> PageJob[str]:
    return PageJob(Doubled(), job, "Double it", len)


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> dict[str, Info]:
    """How jobs stand, by key; every other one is unknown."""
    known: dict[str, Info] = {}
    monkeypatch.setattr(job_panel, "info", lambda key: known.get(key) or Info(key, State.UNKNOWN))
    monkeypatch.setattr(job_panel, "result", lambda _key: b"a")
    st.session_state.pop(SHOWN, None)
    return known


@pytest.mark.parametrize("state", list(State))
def test_what_could_still_lead_to_a_result_can_be_started(states: dict[str, Info], state: State) -> None:
    states[JOB.key] = Info(JOB.key, state)
    starts = {State.UNKNOWN, State.CANCELLED, State.FAILED}
    assert page_job(JOB).can_start == (state in starts)


def test_the_last_result_stays_and_is_stale_once_something_else_is_wanted(states: dict[str, Info]) -> None:
    assert page_job(JOB).last_result(SHOWN, VIEW) is None
    states[JOB.key] = Info(JOB.key, State.DONE)
    fresh = page_job(JOB).last_result(SHOWN, VIEW)
    assert fresh is not None
    assert (fresh.result, fresh.is_stale) == ("aa", False)
    stale = page_job(replace(JOB, seed=1)).last_result(SHOWN, VIEW)
    assert stale is not None
    assert (stale.result, stale.is_stale, stale.job) == ("aa", True, JOB)


def test_a_result_of_other_weights_or_items_is_not_shown(states: dict[str, Info]) -> None:
    states[JOB.key] = Info(JOB.key, State.DONE)
    page_job(JOB).last_result(SHOWN, VIEW)
    assert page_job(replace(JOB, content="others")).last_result(SHOWN, VIEW) is None


def test_no_page_starts_or_follows_a_job_by_itself() -> None:
    by_hand = re.compile(r"\bjobs\.(submit|watch|info|outcome|runner|result)\(")
    files = [path for wing in ("pages", "dashboard") for path in (ROOT / wing).rglob("*.py")]
    found = {path.name for path in files if by_hand.search(path.read_text(encoding="utf-8"))}
    assert found <= {"page_job.py", "job_panel.py"}
