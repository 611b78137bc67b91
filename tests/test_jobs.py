"""The local runner: real processes of a small stand-in for the worker that imports nothing heavy."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress
from compress_core.jobs.info import State
from compress_core.jobs.job import Job
from compress_core.jobs.runner import MOST_PUT, LocalRunner

STAND_IN = """
import json, os, pathlib, sys
named = sys.stdin.readline().strip()
if not named:
    sys.exit()
path = pathlib.Path(named)
knobs = json.loads(json.loads(path.read_text())["knobs"])
with open(path.parents[2] / "began.txt", "a") as file:
    file.write(f"{os.getpid()} {knobs['name']}\\n")
say = lambda **said: print(json.dumps(said), flush=True)
say(progress=[1, 4, "before compression"])
match knobs["does"]:
    case "finish":
        (path.parent / "result.safetensors").write_bytes(b"")
        say(done=True)
    case "hang":
        with open(knobs["tells"], "w") as file:
            file.write("here")
        sys.stdin.read()
    case "until told":
        with open(knobs["tells"], "w") as file:
            file.write("here")
        with open(knobs["waits"]) as file:
            file.readline()
        (path.parent / "result.safetensors").write_bytes(b"")
        say(done=True)
    case "refuse":
        say(refused={"text": "Only {count:,} items are there.", "values": {"count": 1234}})
    case "crash":
        os.dup2(os.open(path.parent / "log.txt", os.O_CREAT | os.O_WRONLY), 2)
        raise ZeroDivisionError("by hand")
    case "half":
        sys.stdout.write('{"done": tr')
"""
ME, OTHER = "me", "other"
PATIENCE = 60.0


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[LocalRunner]:
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    made = LocalRunner(tmp_path / "work", command=[sys.executable, "-S", str(script)])
    yield made
    made.close()


@pytest.fixture
def hanging(tmp_path: Path) -> Callable[[str], tuple[Job, Path]]:
    """Makes a job that says on a pipe that it runs, and then waits to be killed."""

    def make(name: str) -> tuple[Job, Path]:
        pipe = tmp_path / f"{name}.pipe"
        os.mkfifo(pipe)
        return job("hang", name, tells=str(pipe)), pipe

    return make


def job(does: str, name: str = "", **more: str) -> Job:
    knobs = json.dumps({"does": does, "name": name or does, **more})
    return Job("stand-in", "content", "subject", "[]", knobs, seed=0)


def began(runner: LocalRunner) -> list[tuple[int, str]]:
    """Process and name of every job that a worker began."""
    file = runner._folder / "began.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(pid), name) for pid, _, name in (line.partition(" ") for line in lines)]


def assert_gone(pid: int) -> None:
    """Neither running nor a zombie."""
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def ended(runner: LocalRunner, *jobs: Job) -> list[str]:
    return list(runner.as_done([j.key for j in jobs], PATIENCE))


def test_a_finished_job_has_its_result_and_its_last_progress(runner: LocalRunner) -> None:
    key = runner.submit(job("finish"), ME)
    assert ended(runner, job("finish")) == [key]
    found = runner.info(key)
    assert found.state is State.DONE
    assert found.result is not None
    assert found.result.exists()
    assert found.progress == Progress(1, 4, "before compression")


def test_jobs_wait_for_each_other_and_end_in_order(runner: LocalRunner) -> None:
    jobs = [job("finish", name) for name in "abc"]
    keys = [runner.submit(j, ME) for j in jobs]
    assert ended(runner, *reversed(jobs)) == keys
    assert [name for _pid, name in began(runner)] == ["a", "b", "c"]


def test_equal_jobs_are_done_once(runner: LocalRunner, hanging: Callable[[str], tuple[Job, Path]]) -> None:
    wanted, pipe = hanging("one")
    assert runner.submit(wanted, ME) == runner.submit(wanted, OTHER)
    pipe.read_text()
    assert runner.info(wanted.key).watchers == 2
    assert [name for _pid, name in began(runner)] == ["one"]


def test_a_result_is_not_computed_again(runner: LocalRunner) -> None:
    for watcher in (ME, OTHER):
        runner.submit(job("finish"), watcher)
        ended(runner, job("finish"))
    assert len(began(runner)) == 1


def test_the_place_of_the_model_is_no_part_of_the_key() -> None:
    assert Job("k", "c", "here", "[]", "{}", 0).key == Job("k", "c", "there", "[]", "{}", 0).key
    assert len({Job("k", "c", "s", "[]", "{}", seed).key for seed in range(3)}) == 3


def test_cancel_by_one_watcher_leaves_the_job_to_the_other(runner: LocalRunner, tmp_path: Path) -> None:
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


def test_cancel_kills_the_process_and_the_next_job_begins(
    runner: LocalRunner, hanging: Callable[[str], tuple[Job, Path]]
) -> None:
    wanted, pipe = hanging("unwanted")
    runner.submit(wanted, ME)
    runner.submit(job("finish"), ME)
    pipe.read_text()
    assert runner.info(job("finish").key).ahead == 1
    pid = runner.info(wanted.key).pid
    assert pid is not None
    runner.cancel(wanted.key, ME)
    ended(runner, wanted, job("finish"))
    assert_gone(pid)
    assert runner.info(job("finish").key).state is State.DONE


def test_a_waiting_job_is_cancelled_without_ever_beginning(
    runner: LocalRunner, hanging: Callable[[str], tuple[Job, Path]]
) -> None:
    first, pipe = hanging("first")
    runner.submit(first, ME)
    runner.submit(job("finish", "second"), ME)
    pipe.read_text()
    runner.cancel(job("finish", "second").key, ME)
    assert runner.info(job("finish", "second").key).state is State.CANCELLED
    assert [name for _pid, name in began(runner)] == ["first"]


def test_a_cancelled_job_can_be_started_again(
    runner: LocalRunner, hanging: Callable[[str], tuple[Job, Path]]
) -> None:
    wanted, pipe = hanging("again")
    for _ in range(2):
        runner.submit(wanted, ME)
        pipe.read_text()
        runner.cancel(wanted.key, ME)
        ended(runner, wanted)
    assert [name for _pid, name in began(runner)] == ["again", "again"]


def test_a_killed_worker_gives_a_sentence_and_the_next_job_runs(
    runner: LocalRunner, hanging: Callable[[str], tuple[Job, Path]]
) -> None:
    wanted, pipe = hanging("victim")
    runner.submit(wanted, ME)
    pipe.read_text()
    pid = runner.info(wanted.key).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    ended(runner, wanted)
    found = runner.info(wanted.key)
    assert found.state is State.FAILED
    assert "signal 9" in str(found.problem)
    assert_gone(pid)
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    assert runner.info(job("finish").key).state is State.DONE


def test_a_refusal_arrives_with_its_template_and_values(runner: LocalRunner) -> None:
    runner.submit(job("refuse"), ME)
    ended(runner, job("refuse"))
    found = runner.info(job("refuse").key)
    assert found.state is State.REFUSED
    assert isinstance(found.problem, Refused)
    assert found.problem.text == "Only {count:,} items are there."
    assert str(found.problem) == "Only 1,234 items are there."


def test_an_error_of_the_program_is_one_sentence_and_a_traceback_in_the_log(runner: LocalRunner) -> None:
    runner.submit(job("crash"), ME)
    ended(runner, job("crash"))
    found = runner.info(job("crash").key)
    assert found.state is State.FAILED
    assert "ZeroDivisionError: by hand" in str(found.problem)
    assert str(runner._folder) not in str(found.problem)
    log = runner._folder / "jobs" / found.key / "log.txt"
    assert "Traceback" in log.read_text()


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


def test_no_process_is_left_after_close(
    runner: LocalRunner, hanging: Callable[[str], tuple[Job, Path]]
) -> None:
    wanted, pipe = hanging("last")
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    runner.submit(wanted, ME)
    runner.submit(job("finish", "never"), ME)
    pipe.read_text()
    spare = runner._spare
    runner.close()
    for pid, _name in began(runner):
        assert_gone(pid)
    assert spare is None or not spare.is_alive
    assert runner.info(job("finish", "never").key).state is State.CANCELLED


def test_close_removes_a_folder_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    made = LocalRunner(command=[sys.executable, "-S", str(script)])
    folder = made._folder
    assert folder.exists()
    made.close()
    made.close()
    assert not folder.exists()


def test_equal_files_are_put_once_and_old_ones_go(runner: LocalRunner) -> None:
    first = runner.put({"a": b"1", "b": b"2"})
    assert runner.put({"b": b"2", "a": b"1"}) == first
    assert runner.put({"a": b"12", "b": b""}) != first
    for number in range(MOST_PUT + 3):
        newest = runner.put({"a": str(number).encode() * 3})
    places = list((runner._folder / "put").iterdir())
    assert len(places) == MOST_PUT
    assert Path(newest) in places


def test_as_done_stops_after_its_time(
    runner: LocalRunner, hanging: Callable[[str], tuple[Job, Path]]
) -> None:
    wanted, pipe = hanging("long")
    runner.submit(wanted, ME)
    pipe.read_text()
    assert list(runner.as_done([wanted.key], timeout=0.01)) == []


def test_a_job_file_that_is_damaged_is_refused() -> None:
    assert Job.read(job("finish").as_json()) == job("finish")
    for text in ("", "[]", '{"kind": 1}'):
        with pytest.raises(Refused, match="damaged"):
            Job.read(text)
