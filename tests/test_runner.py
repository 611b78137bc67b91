"""The contract of a `Runner`, for whoever does the jobs: a new one joins the list of factories."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress
from compress_core.jobs.info import Info, State
from compress_core.jobs.runner import Runner
from compress_core.jobs.whereabouts import Whereabouts, whereabouts_from_json
from tests.stand_in_worker import RESULT, Site, ended, job, site_in

ME, OTHER = "me", "other"
FACTORIES: dict[str, Callable[[Site], Runner]] = {"local": Site.runner, "cluster": Site.on_cluster}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield from site_in(tmp_path)


@pytest.fixture(params=["local", pytest.param("cluster", marks=pytest.mark.slow)])  # quick: test_cluster.py
def start(request: pytest.FixtureRequest, site: Site) -> Callable[[], Runner]:
    """Starts a runner on the one workspace of the test."""
    return lambda: FACTORIES[request.param](site)


@pytest.fixture
def runner(start: Callable[[], Runner]) -> Runner:
    return start()


def plain(value: Any) -> bool:
    """Whether a value means the same on every machine."""
    if isinstance(value, tuple):  # figures that a job tells of itself
        return all(isinstance(told, Mapping) and all(map(plain, told.values())) for told in value)
    if isinstance(value, Whereabouts):
        return whereabouts_from_json(json.loads(json.dumps(value.as_json()))) == value
    return value is None or isinstance(value, str | int | float | State | Progress | Refused)


def test_an_unknown_job_is_unknown_and_left_nothing(runner: Runner) -> None:
    assert runner.info("nobody's") == Info("nobody's", State.UNKNOWN)
    assert runner.result("nobody's") is None
    assert list(runner.as_done(["nobody's"], timeout=0)) == ["nobody's"]


def test_a_finished_job_has_its_result_and_its_last_progress(runner: Runner) -> None:
    key = runner.submit(job("finish"), ME)
    assert key == job("finish").key
    assert ended(runner, job("finish")) == [key]
    found = runner.info(key)
    assert (found.state, found.is_over, found.problem) == (State.DONE, True, None)
    assert found.progress == Progress(1, 4, "before compression")
    assert runner.result(key) == RESULT


def test_jobs_wait_for_each_other_and_end_in_order(runner: Runner, site: Site) -> None:
    jobs = [job("finish", name) for name in "abc"]
    keys = [runner.submit(j, ME) for j in jobs]
    assert ended(runner, *reversed(jobs)) == keys
    assert [name for _pid, name in site.began()] == ["a", "b", "c"]


def test_a_job_that_waits_says_so_and_one_that_runs_says_how_far(runner: Runner, site: Site) -> None:
    first, pipe = site.hanging("first")
    runner.submit(first, ME)
    runner.submit(job("finish"), ME)
    pipe.read_text()
    running, waiting = runner.info(first.key), runner.info(job("finish").key)
    assert (running.state, running.ahead, running.is_over) == (State.RUNNING, 0, False)
    assert (waiting.state, waiting.ahead, waiting.is_over) == (State.QUEUED, 1, False)
    assert runner.result(first.key) is None
    assert list(runner.as_done([first.key], timeout=0.01)) == []


def test_equal_jobs_are_done_once_for_two_watchers(runner: Runner, site: Site) -> None:
    wanted, pipe = site.hanging("one")
    assert runner.submit(wanted, ME) == runner.submit(wanted, OTHER)
    pipe.read_text()
    assert runner.info(wanted.key).watchers == 2
    assert [name for _pid, name in site.began()] == ["one"]


def test_a_result_is_not_computed_again(runner: Runner, site: Site) -> None:
    for watcher in (ME, OTHER):
        runner.submit(job("finish"), watcher)
        ended(runner, job("finish"))
    assert len(site.began()) == 1


def test_cancel_by_one_watcher_leaves_the_job_to_the_other(runner: Runner, tmp_path: Path) -> None:
    tells, waits = tmp_path / "tells", tmp_path / "waits"
    for pipe in (tells, waits):
        os.mkfifo(pipe)
    shared = job("until told", tells=str(tells), waits=str(waits))
    for watcher in (ME, OTHER):
        runner.submit(shared, watcher)
    tells.read_text()
    runner.cancel(shared.key, ME)
    runner.cancel(shared.key, "a stranger")
    with os.fdopen(os.open(waits, os.O_RDWR), "wb", buffering=0) as told:
        told.write(b"go on\n")
        ended(runner, shared)
    assert runner.info(shared.key).state is State.DONE


def test_cancel_ends_a_running_job_and_the_next_one_begins(runner: Runner, site: Site) -> None:
    wanted, pipe = site.hanging("unwanted")
    runner.submit(wanted, ME)
    runner.submit(job("finish"), ME)
    pipe.read_text()
    runner.cancel(wanted.key, ME)
    ended(runner, wanted, job("finish"))
    assert runner.info(wanted.key).state is State.CANCELLED
    assert runner.result(wanted.key) is None
    assert runner.info(job("finish").key).state is State.DONE


def test_a_waiting_job_is_cancelled_without_ever_beginning(runner: Runner, site: Site) -> None:
    first, pipe = site.hanging("first")
    runner.submit(first, ME)
    runner.submit(job("finish", "second"), ME)
    pipe.read_text()
    runner.cancel(job("finish", "second").key, ME)
    assert runner.info(job("finish", "second").key).state is State.CANCELLED
    assert [name for _pid, name in site.began()] == ["first"]


def test_a_cancelled_job_can_be_started_again(runner: Runner, site: Site) -> None:
    wanted, pipe = site.hanging("again")
    for _ in range(2):
        runner.submit(wanted, ME)
        pipe.read_text()
        runner.cancel(wanted.key, ME)
        ended(runner, wanted)
    assert [name for _pid, name in site.began()] == ["again", "again"]


def test_a_process_killed_from_outside_is_a_sentence_and_the_next_job_runs(
    runner: Runner, site: Site
) -> None:
    wanted, pipe = site.hanging("victim")
    runner.submit(wanted, ME)
    pipe.read_text()
    ((pid, _name),) = site.began()
    os.kill(pid, signal.SIGKILL)
    ended(runner, wanted)
    found = runner.info(wanted.key)
    assert found.state is State.FAILED
    assert "ended from outside" in str(found.problem)
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    assert runner.info(job("finish").key).state is State.DONE


def test_a_refusal_arrives_with_its_template_and_values(runner: Runner) -> None:
    runner.submit(job("refuse"), ME)
    ended(runner, job("refuse"))
    found = runner.info(job("refuse").key)
    assert found.state is State.REFUSED
    assert isinstance(found.problem, Refused)
    assert found.problem.text == "Only {count:,} items are there."
    assert str(found.problem) == "Only 1,234 items are there."


def test_an_error_of_the_program_is_a_sentence(runner: Runner) -> None:
    runner.submit(job("crash"), ME)
    ended(runner, job("crash"))
    found = runner.info(job("crash").key)
    assert found.state is State.FAILED
    assert "ZeroDivisionError: by hand" in str(found.problem)


@pytest.mark.parametrize("does", ["finish", "crash", "refuse"])
def test_nothing_that_comes_through_the_seam_names_a_place_on_this_machine(
    runner: Runner, site: Site, does: str
) -> None:
    runner.submit(job(does), ME)
    ended(runner, job(does))
    found = runner.info(job(does).key)
    assert all(plain(getattr(found, each.name)) for each in fields(found))
    assert str(site.place) not in f"{found} {found.problem} {runner.put({'card.json': b'{}'})}"


def test_equal_files_are_put_under_one_name(runner: Runner) -> None:
    first = runner.put({"a": b"1", "b": b"2"})
    assert runner.put({"b": b"2", "a": b"1"}) == first
    assert runner.put({"a": b"12", "b": b""}) != first


def test_nothing_goes_on_after_close(runner: Runner, site: Site) -> None:
    wanted, pipe = site.hanging("last")
    runner.submit(wanted, ME)
    runner.submit(job("finish", "never"), ME)
    pipe.read_text()
    runner.close()
    runner.close()
    assert [name for _pid, name in site.began()] == ["last"]
    assert runner.info(job("finish", "never").key).state is State.CANCELLED


# --- a disk that is full ----------------------------------------------------------------------------


@contextmanager
def full_disk() -> Iterator[None]:
    """No file takes another byte, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_job_that_a_full_disk_does_not_take_is_a_sentence_and_can_be_started_later(runner: Runner) -> None:
    with full_disk(), pytest.raises(Refused, match="could not write what this job needs"):
        runner.submit(job("finish"), ME)
    assert runner.info(job("finish").key) == Info(job("finish").key, State.UNKNOWN)
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    assert runner.info(job("finish").key).state is State.DONE


def test_a_job_asked_for_again_on_a_full_disk_stays_as_it_was(runner: Runner) -> None:
    runner.submit(job("crash"), ME)
    ended(runner, job("crash"))
    with full_disk(), pytest.raises(Refused, match="could not write"):
        runner.submit(job("crash"), ME)
    assert runner.info(job("crash").key).state is State.FAILED


def test_a_model_that_a_full_disk_does_not_take_is_a_sentence(runner: Runner) -> None:
    with full_disk(), pytest.raises(Refused, match="free some space on its disk, then start the job again"):
        runner.put({"a": b"1"})
    assert runner.put({"a": b"1"})


def test_a_worker_that_cannot_be_started_fails_the_job_and_leaves_none_waiting(site: Site) -> None:
    site.command, working = ["no such program"], site.command
    runner = site.runner()
    for name in ("first", "second"):
        runner.submit(job("finish", name), ME)
        found = runner.info(job("finish", name).key)
        assert (found.state, str(found.problem)[:32]) == (State.FAILED, "The server could not write what ")
    runner._command = tuple(working)
    runner.submit(job("finish", "first"), ME)
    ended(runner, job("finish", "first"))
    assert runner.info(job("finish", "first").key).state is State.DONE


def test_a_worker_that_cannot_keep_its_result_fails_and_may_try_again(runner: Runner) -> None:
    for _ in range(2):
        runner.submit(job("fail"), ME)
        ended(runner, job("fail"))
        found = runner.info(job("fail").key)
        assert (found.state, str(found.problem)) == (State.FAILED, "No space left.")


# --- a runner that starts where another one was ------------------------------------------------------


def test_the_next_runner_finds_what_was_done(start: Callable[[], Runner], site: Site) -> None:
    first = start()
    key = first.submit(job("finish"), ME)
    ended(first, job("finish"))
    first.close()
    second = start()
    assert second.info(key).state is State.DONE
    assert second.result(key) == RESULT
    assert second.submit(job("finish"), OTHER) == key
    assert ended(second, job("finish")) == [key]
    assert second.info(key).watchers == 1
    assert len(site.began()) == 1


def test_the_next_runner_tells_how_the_others_ended(start: Callable[[], Runner]) -> None:
    first = start()
    for does in ("refuse", "crash"):
        first.submit(job(does), ME)
        ended(first, job(does))
    before = {does: first.info(job(does).key) for does in ("refuse", "crash")}
    first.close()
    second = start()
    for does, told in before.items():
        found = second.info(job(does).key)
        assert (found.state, str(found.problem)) == (told.state, str(told.problem))
        assert second.result(job(does).key) is None


def test_what_was_under_way_is_reported_as_lost_and_done_when_asked_again(
    start: Callable[[], Runner], site: Site
) -> None:
    first = start()
    running, pipe = site.hanging("running")
    first.submit(running, ME)
    first.submit(job("finish", "waiting"), ME)
    pipe.read_text()
    first.close()
    second = start()
    for lost in (running, job("finish", "waiting")):
        found = second.info(lost.key)
        assert found.state is State.FAILED
        assert "server ended before this job was done" in str(found.problem)
    second.submit(job("finish", "waiting"), ME)
    ended(second, job("finish", "waiting"))
    assert second.info(job("finish", "waiting").key).state is State.DONE


def test_a_job_of_a_second_living_server_is_not_called_lost(start: Callable[[], Runner], site: Site) -> None:
    first, second = start(), start()
    running, pipe = site.hanging("running")
    first.submit(running, ME)
    pipe.read_text()
    assert second.info(running.key).state is State.UNKNOWN
    first.submit(job("finish"), ME)
    first.cancel(running.key, ME)
    ended(first, job("finish"))
    assert second.info(job("finish").key).state is State.DONE
    assert second.result(job("finish").key) == RESULT
