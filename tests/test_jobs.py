"""The runner of this machine: its processes, its folder, and what is left when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.info import State
from compress_core.jobs.job import Job
from compress_core.jobs.local_runner import MOST_PUT, MOST_REMEMBERED, LocalRunner
from tests.stand_in_worker import PATIENCE, RESULT, Site, assert_gone, ended, job, site_in, until

ROOT = Path(__file__).resolve().parent.parent
ME = "me"

# A server that saves and has jobs done for ever, and says each as soon as its call has returned.
SERVER = """
import itertools, json, pathlib, sys
from tests.stand_in_worker import Site, job
from compress_core.foundation.workspace.workspace import Workspace
place = pathlib.Path(sys.argv[1])
workspace = Workspace.at(place / "work")
runner = Site(place).runner(workspace)
def said(**what):
    print(json.dumps(what), flush=True)
for n in itertools.count():
    workspace.sessions.save("me", str(n), {"n": n})
    said(saved=n)
    runner.submit(job("finish", str(n)), "me")
    said(taken=n)
    if n % 2:
        list(runner.as_done([job("finish", str(n)).key], 60))
        said(done=n)
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield from site_in(tmp_path)


@pytest.fixture
def runner(site: Site) -> LocalRunner:
    return site.runner()


def test_the_place_of_the_model_is_no_part_of_the_key() -> None:
    assert Job("k", "c", "here", "[]", "{}", 0).key == Job("k", "c", "there", "[]", "{}", 0).key
    assert len({Job("k", "c", "s", "[]", "{}", seed).key for seed in range(3)}) == 3


def test_the_order_in_which_it_is_done_is_no_part_of_the_key() -> None:
    jobs = [Job("k", "c", "s", "[]", "{}", 0, order) for order in ("{}", '{"first":"bits"}')]
    assert jobs[0].key == jobs[1].key
    assert Job.read(jobs[1].as_json()) == jobs[1]


def test_cancel_kills_the_process(runner: LocalRunner, site: Site) -> None:
    wanted, pipe = site.hanging("unwanted")
    runner.submit(wanted, ME)
    pipe.read_text()
    pid = runner.info(wanted.key).pid
    assert pid == site.began()[0][0]
    runner.cancel(wanted.key, ME)
    ended(runner, wanted)
    assert_gone(pid)


def test_a_killed_worker_is_collected(runner: LocalRunner, site: Site) -> None:
    wanted, pipe = site.hanging("victim")
    runner.submit(wanted, ME)
    pipe.read_text()
    pid = runner.info(wanted.key).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    ended(runner, wanted)
    assert "signal 9" in str(runner.info(wanted.key).problem)
    assert_gone(pid)


def test_the_traceback_of_an_error_is_in_the_log_that_the_sentence_names(runner: LocalRunner) -> None:
    runner.submit(job("crash"), ME)
    ended(runner, job("crash"))
    found = runner.info(job("crash").key)
    assert found.problem is not None
    assert found.problem.values["log"] == f"{found.key[:12]}.../log.txt"
    assert "Traceback" in (runner._folder.job(found.key) / "log.txt").read_text()


def test_half_a_line_is_no_result(runner: LocalRunner) -> None:
    runner.submit(job("half"), ME)
    ended(runner, job("half"))
    assert runner.info(job("half").key).state is State.FAILED


def test_a_spare_that_died_is_replaced(runner: LocalRunner) -> None:
    assert runner._spare is not None
    os.kill(runner._spare.pid, signal.SIGKILL)
    runner._spare._process.wait()
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    assert runner.info(job("finish").key).state is State.DONE


def test_no_process_is_left_after_close(runner: LocalRunner, site: Site) -> None:
    wanted, pipe = site.hanging("last")
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    runner.submit(wanted, ME)
    pipe.read_text()
    spare = runner._spare
    runner.close()
    for pid, _name in site.began():
        assert_gone(pid)
    assert spare is None or not spare.is_alive


@pytest.mark.parametrize("in_memory", [True, False])
def test_close_removes_the_folder_of_the_server(site: Site, *, in_memory: bool) -> None:
    made = site.runner(Workspace.in_memory() if in_memory else None)
    made.submit(job("finish"), ME)
    ended(made, job("finish"))
    folder = made._folder.path
    assert folder.exists()
    made.close()
    made.close()
    assert not folder.exists()
    assert made._folder._servers.exists() is not in_memory


def test_without_a_folder_results_last_as_long_as_the_server(site: Site) -> None:
    made = site.runner(Workspace.in_memory())
    made.submit(job("finish"), ME)
    ended(made, job("finish"))
    assert made.result(job("finish").key) == RESULT
    assert site.runner(Workspace.in_memory()).info(job("finish").key).state is State.UNKNOWN


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_worker_opens_the_workspace_of_its_server(site: Site, *, in_memory: bool) -> None:
    made = site.runner(Workspace.in_memory() if in_memory else None)
    asked = job("tell its workspace")
    made.submit(asked, ME)
    ended(made, asked)
    told = made.result(asked.key)
    assert told == (b"" if in_memory else str(site.place / "work").encode())


def test_old_models_that_were_put_go(runner: LocalRunner) -> None:
    for number in range(MOST_PUT + 3):
        newest = runner.put({"a": str(number).encode() * 3})
    names = [place.name for place in runner._folder.puts.iterdir()]
    assert len(names) == MOST_PUT
    assert newest in names


def test_a_job_that_the_server_no_longer_remembers_is_found_in_the_workspace(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_REMEMBERED > 2
    monkeypatch.setattr("compress_core.jobs.local_runner.MOST_REMEMBERED", 1)
    for name in "abc":
        runner.submit(job("finish", name), ME)
        ended(runner, job("finish", name))
    assert len(runner._jobs) <= 2
    assert [runner.info(job("finish", name).key).state for name in "abc"] == [State.DONE] * 3


def test_a_result_that_was_let_go_is_computed_when_asked_again(runner: LocalRunner, site: Site) -> None:
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    runner._records.workspace.database.rows("DELETE FROM results")
    assert runner.info(job("finish").key).state is State.UNKNOWN
    assert runner.result(job("finish").key) is None
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    assert runner.result(job("finish").key) == RESULT
    assert len(site.began()) == 2


def test_a_result_that_does_not_fit_is_a_sentence(site: Site) -> None:
    small = site.runner(Workspace.in_memory(max_bytes=4 * len(RESULT) - 1))
    small.submit(job("finish"), ME)
    ended(small, job("finish"))
    found = small.info(job("finish").key)
    assert found.state is State.FAILED
    assert "more than a workspace keeps" in str(found.problem)


def test_a_job_file_that_is_damaged_is_refused() -> None:
    assert Job.read(job("finish").as_json()) == job("finish")
    for text in ("", "[]", '{"kind": 1}'):
        with pytest.raises(Refused, match="damaged"):
            Job.read(text)


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 8, 21, 30])
def test_after_a_killed_server_everything_it_acknowledged_is_there(site: Site, lines: int) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(site.place)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert killed.stdout is not None
    said = [json.loads(killed.stdout.readline()) for _ in range(lines)]
    killed.kill()
    rest, _ = killed.communicate(timeout=PATIENCE)
    until(lambda: not site.is_at_work())  # a worker may be about to write what it found
    said += [json.loads(line) for line in rest.splitlines() if line.endswith("}")]
    left = Workspace.at(site.place / "work")
    runner = site.runner(left)
    of = {what: {each[what] for each in said if what in each} for what in ("saved", "taken", "done")}
    assert of["saved"] <= {int(session.subject) for session in left.sessions.of(ME)}
    states = {n: runner.info(job("finish", str(n)).key) for n in of["taken"]}
    assert {states[n].state for n in of["done"]} <= {State.DONE}
    assert all(runner.result(states[n].key) == RESULT for n in of["done"])
    for n, found in states.items():
        assert found.state in {State.DONE, State.FAILED}, f"job {n} was lost silently"
        assert found.state is State.DONE or "server ended before" in str(found.problem)
    assert [place.name for place in (site.place / "work" / "servers").iterdir() if place.is_dir()] == [
        runner._folder.server
    ]
