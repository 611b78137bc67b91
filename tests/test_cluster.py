"""What goes wrong between a server and a cluster: the job is done all the same, or a sentence says why not.

The contract of a runner is asked of a cluster too, in `tests/test_runner.py`; `benchmarks/cluster.py` asks a
real one.
"""

from __future__ import annotations

import io
import itertools
import json
import signal
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_core.foundation.errors import Refused
from compress_core.foundation.refusal_json import refusal_as_json
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.cluster import driver
from compress_core.jobs.cluster.address import ClusterAddress, cluster_address
from compress_core.jobs.cluster.bridge import (
    DIVIDED,
    EVERY_SECONDS,
    JOB,
    KNOWN,
    RELEASE,
    SILENT,
    SOON_SECONDS,
    Bridge,
)
from compress_core.jobs.cluster.lines import (
    PIECE,
    ResultPieces,
    Said,
    marked_line,
    rest_of_log,
    result_lines,
    said_in,
)
from compress_core.jobs.cluster.ray_jobs import (
    SECONDS,
    ClusterSilentError,
    RayJobs,
    RemoteState,
    packed_files,
)
from compress_core.jobs.cluster.ray_runner import RayRunner
from compress_core.jobs.cluster.rows import checked_row
from compress_core.jobs.info import State
from compress_core.jobs.job import Job
from compress_core.jobs.runner import Runner
from compress_core.jobs.task import tasks
from compress_core.jobs.whereabouts import JobStage, Whereabouts, whereabouts_from_json
from compress_core.tasks.scan_layers import SCAN
from tests.stand_in_cluster import TOKEN, StandInCluster, ended_by
from tests.stand_in_worker import PATIENCE, RESULT, Site, ended, job, site_in, until

ME, OTHER = "me", "other"
KEY, PARENT = "a" * 64, "b" * 64
ROW: dict[str, Any] = {
    "place": "fc1",
    "family": "prune",
    "value": 0.5,
    "steps": [{"technique": "magnitude", "sparsity": 0.5}],
    "model": "c" * 64,
    "kl": {"value": 0.1, "unit": "nat", "kind": "measured", "low": None, "high": None, "n": 200},
    "accuracy_change": {
        "value": -3.0,
        "unit": "points",
        "kind": "measured",
        "low": -6.0,
        "high": -1.0,
        "n": 200,
    },
    "packed_bytes": 219_964,
    "parameters": 65_104,
    "macs": 266_200,
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield from site_in(tmp_path)


@pytest.fixture
def runner(site: Site) -> Runner:
    return site.on_cluster()


@pytest.fixture
def cluster(site: Site, runner: Runner) -> StandInCluster:
    assert runner is not None
    assert site.cluster is not None
    return site.cluster


# --- twelve faults ----------------------------------------------------------------------------------


def test_a_killed_process_there_is_a_sentence(runner: Runner, cluster: StandInCluster, site: Site) -> None:
    wanted, pipe = site.hanging("victim")
    runner.submit(wanted, ME)
    pipe.read_text()
    (remote,) = cluster.jobs.values()
    ended_by(remote, signal.SIGKILL)
    ended(runner, wanted)
    assert "ended from outside (signal 9), perhaps because memory ran out" in str(
        runner.info(wanted.key).problem
    )


def test_a_node_that_is_gone_costs_an_attempt(runner: Runner, cluster: StandInCluster) -> None:
    cluster.faults.lost_nodes = 2
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    assert runner.info(job("finish").key).state is State.DONE
    assert len(cluster.jobs) == 3


def test_a_cluster_that_loses_every_node_is_a_sentence(runner: Runner, cluster: StandInCluster) -> None:
    cluster.faults.lost_nodes = 99
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    found = runner.info(job("finish").key)
    assert found.state is State.FAILED
    assert "node of the job was lost" in str(found.problem)


@pytest.mark.slow
def test_a_head_that_goes_and_comes_back_empty_does_the_job_again(
    runner: Runner, cluster: StandInCluster, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, pipe = site.hanging("through")
    runner.submit(wanted, ME)
    pipe.read_text()
    cluster.go()
    until(lambda: (p := runner.info(wanted.key).progress) is not None and p.note == SILENT)
    monkeypatch.delattr(RayJobs, "_call")  # of this process: the cluster is asked by another one
    before = time.monotonic()
    assert runner.info(wanted.key).state is State.RUNNING
    assert time.monotonic() - before < SECONDS, "whoever asks does not wait for the cluster"
    cluster.come()
    pipe.read_text()  # it began once more
    assert [name for _pid, name in site.began()] == ["through", "through"]
    runner.cancel(wanted.key, ME)


@pytest.mark.parametrize(
    "error",
    [
        "ray.exceptions.OutOfMemoryError: it was killed",
        "ray.exceptions.RayTaskError(MemoryError): rows_of_part()",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_memory_that_runs_out_there_is_a_sentence(
    runner: Runner, cluster: StandInCluster, error: str
) -> None:
    """Ray ends the part that takes most, or the kernel gives it no more: the driver stops with that error."""
    cluster.faults.no_memory = error
    runner.submit(job("crash"), ME)
    ended(runner, job("crash"))
    found = runner.info(job("crash").key)
    assert found.state is State.FAILED
    assert "Memory ran out on a node of the cluster" in str(found.problem)


@pytest.mark.slow
def test_a_result_that_came_cut_off_is_no_result(runner: Runner, cluster: StandInCluster) -> None:
    cluster.faults.cut_results = 1
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    found = runner.info(job("finish").key)
    assert (found.state, runner.result(job("finish").key)) == (State.FAILED, None)
    assert "came cut off" in str(found.problem)
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    assert runner.result(job("finish").key) == RESULT


def test_a_result_that_comes_twice_is_one(runner: Runner, cluster: StandInCluster) -> None:
    cluster.faults.twice = True
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    assert runner.result(job("finish").key) == RESULT


@pytest.mark.slow
@pytest.mark.parametrize("where", ["queued", "pending", "running", "silent"])
def test_a_job_can_be_cancelled_wherever_it_is(
    runner: Runner, cluster: StandInCluster, site: Site, where: str
) -> None:
    wanted, pipe = site.hanging("unwanted")
    if where == "queued":
        first, other = site.hanging("first")
        runner.submit(first, ME)
        other.read_text()
    cluster.faults.pending = where == "pending"
    runner.submit(wanted, ME)
    if where == "pending":
        until(lambda: cluster.jobs)
    elif where != "queued":
        pipe.read_text()
    if where == "silent":
        cluster.go()
        until(lambda: (p := runner.info(wanted.key).progress) is not None and p.note == SILENT)
    runner.cancel(wanted.key, ME)
    ended(runner, wanted)
    assert runner.info(wanted.key).state is State.CANCELLED
    if where in {"pending", "running"}:
        until(lambda: [remote.status for remote in cluster.jobs.values()] == ["STOPPED"])
    if where == "queued":
        runner.cancel(first.key, ME)


def test_another_release_there_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / RELEASE).write_text("0.0.1 of a museum", encoding="utf-8")
    with pytest.raises(Refused, match=r"and this server 0\.0\.1 of a museum: install the same release"):
        driver._do(tmp_path, lambda _: None)


def test_a_clock_that_jumps_costs_no_job(site: Site, cluster: StandInCluster, tmp_path: Path) -> None:
    """Patience is counted by a clock that no operator sets: a jump between two looks is not silence."""
    place = tmp_path / "jobs" / "key"
    place.mkdir(parents=True)
    (place / JOB).write_text(job("finish").as_json())
    jumps = iter([0.0, 1e9, -1e9, 2e9, 0.0] * 1000)
    told: list[Mapping[str, Any]] = []
    address = ClusterAddress(cluster.address.replace("ray", "http", 1), TOKEN)
    bridge = Bridge(
        RayJobs(address), place / JOB, Workspace.in_memory(), told.append, 60.0, clock=lambda: next(jumps)
    )
    bridge.run()
    assert told[-1] == {"done": True}
    assert site.began()


def test_a_slow_node_is_waited_for(runner: Runner, cluster: StandInCluster) -> None:
    cluster.faults.slow = 0.7
    runner.submit(job("finish"), ME)
    ended(runner, job("finish"))
    assert runner.info(job("finish").key).state is State.DONE


@pytest.mark.slow
def test_two_dashboards_on_one_cluster_leave_each_other_alone(
    runner: Runner, cluster: StandInCluster, site: Site, tmp_path: Path
) -> None:
    wanted, pipe = site.hanging("mine")
    runner.submit(wanted, ME)
    pipe.read_text()
    other = site.on_cluster(Workspace.at(tmp_path / "other"))
    other.submit(job("finish"), OTHER)
    ended(other, job("finish"))
    other.submit(wanted, OTHER)
    pipe.read_text()
    other.cancel(wanted.key, OTHER)
    ended(other, wanted)
    assert runner.info(wanted.key).state is State.RUNNING
    until(lambda: [remote.status for remote in cluster.jobs.values()].count("RUNNING") == 1)
    runner.cancel(wanted.key, ME)


# --- where a job is ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_job_says_which_cluster_has_it_and_that_it_waits_or_runs(
    runner: Runner, cluster: StandInCluster, site: Site
) -> None:
    cluster.faults.pending = True
    runner.submit(job("finish"), ME)
    until(lambda: runner.info(job("finish").key).where is not None and cluster.jobs)
    assert runner.info(job("finish").key).where == Whereabouts("127.0.0.1", JobStage.WAITING)
    runner.cancel(job("finish").key, ME)
    ended(runner, job("finish"))
    assert runner.info(job("finish").key).where is None, "it is nowhere any more"
    cluster.faults.pending = False
    wanted, pipe = site.hanging("known")
    runner.submit(wanted, ME)
    pipe.read_text()
    until(lambda: (w := runner.info(wanted.key).where) is not None and w.stage is JobStage.RUNNING)
    runner.cancel(wanted.key, ME)


@pytest.mark.slow
def test_a_silent_cluster_is_said_with_the_time_of_its_last_answer(
    runner: Runner, cluster: StandInCluster, site: Site
) -> None:
    wanted, pipe = site.hanging("through")
    before = time.time()
    runner.submit(wanted, ME)
    pipe.read_text()
    until(lambda: (w := runner.info(wanted.key).where) is not None and w.stage is JobStage.RUNNING)
    cluster.go()
    until(lambda: (w := runner.info(wanted.key).where) is not None and w.stage is JobStage.SILENT)
    where = runner.info(wanted.key).where
    assert where is not None
    assert where.silent_since is not None
    assert before < where.silent_since <= time.time()
    cluster.come()
    pipe.read_text()
    until(lambda: (w := runner.info(wanted.key).where) is not None and w.stage is JobStage.RUNNING)
    assert runner.info(wanted.key).where == Whereabouts("127.0.0.1", JobStage.RUNNING)
    runner.cancel(wanted.key, ME)


class AnswersTwice(RayJobs):
    """A cluster that falls silent after two looks."""

    looks = 0

    def put(self, name: str, files: Mapping[str, bytes]) -> str:
        return f"{name} of {len(files)} files"

    def submit(self, *_asked: Any) -> None:
        pass

    def state(self, name: str) -> RemoteState:
        self.looks += 1
        if self.looks > 2:
            raise ClusterSilentError(name)
        return RemoteState("RUNNING")

    def log(self, name: str) -> str:
        return f"{name} says nothing of ours\n"


class WithoutPauses(threading.Event):
    """What nobody sets, and waits for no moment."""

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(timeout and 0)


def test_silence_counts_from_the_last_answer_and_not_from_the_moment_it_was_missed(tmp_path: Path) -> None:
    path = tmp_path / JOB
    path.write_text(job("finish").as_json())
    told: list[Mapping[str, Any]] = []
    bridge = Bridge(
        AnswersTwice(ClusterAddress("http://head.example:8265")),
        path,
        Workspace.in_memory(),
        told.append,
        900.0,
        WithoutPauses(),
        clock=itertools.count(0.0, 400.0).__next__,
        wall=itertools.count(10.0, 10.0).__next__,
    )
    bridge.run()
    wheres = [whereabouts_from_json(said["where"]) for said in told if "where" in said]
    assert [where.silent_since for where in wheres if where is not None and where.silent_since] == [20.0]


class TellsEachTime(AnswersTwice):
    """A cluster that has news at every look, and is done after so many."""

    most = 300

    def state(self, name: str) -> RemoteState:
        self.looks += 1
        assert self.looks <= self.most, "it had said that it was over"
        return RemoteState("RUNNING", name)

    def log(self, name: str) -> str:
        said = [{"progress": [done, self.most, name]} for done in range(self.looks)]
        ended: list[Said] = [{"refused": refusal_as_json(Refused("over"))}] if self.looks == self.most else []
        return "".join(marked_line(each) + "\n" for each in [*said, *ended])


class NotedPauses(WithoutPauses):
    """What nobody sets; it notes how long it was to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.noted.append(timeout or 0.0)
        return super().wait(timeout)


def test_a_job_is_looked_at_each_twentieth_of_its_time_however_much_it_tells(tmp_path: Path) -> None:
    """What looks take of the cluster does not grow with the news: each takes 15 ms of a processor of Ray."""
    path, pauses = tmp_path / JOB, NotedPauses()
    path.write_text(job("finish").as_json())
    told: list[Mapping[str, Any]] = []
    jobs = TellsEachTime(ClusterAddress("http://head.example:8265"))
    Bridge(jobs, path, Workspace.in_memory(), told.append, 900.0, pauses).run()
    assert "refused" in told[-1]
    assert len(pauses.noted) == jobs.most - 1
    gone = 0.0
    for pause in pauses.noted:
        assert pause == pytest.approx(min(EVERY_SECONDS, SOON_SECONDS + gone / 20))
        gone += pause
    assert max(pauses.noted) == EVERY_SECONDS
    assert len([said for said in told if "progress" in said]) >= jobs.most, "no news is lost"


def test_parts_and_workers_are_passed_on(tmp_path: Path) -> None:
    told: list[Mapping[str, Any]] = []
    address = ClusterAddress("http://user:secret@head.example:8265", "token")
    bridge = Bridge(RayJobs(address), tmp_path, Workspace.in_memory(), told.append, 60.0)
    for said in ({"parts": [3, 12], "workers": 2}, {"parts": [3, 12], "workers": 2}, {"parts": "many"}):
        bridge._take(said)
    wanted = Whereabouts("head.example", JobStage.WAITING, parts_done=3, parts=12, workers=2)
    assert [whereabouts_from_json(said["where"]) for said in told] == [wanted]
    assert "secret" not in str(told)


def told_by_a_bridge(
    folder: Path, cluster: StandInCluster, workspace: Workspace, wanted: Job | None = None
) -> list[Mapping[str, Any]]:
    """What a bridge says of one job on a cluster, from its beginning to its end."""
    place = folder / "jobs" / "key"
    place.mkdir(parents=True)
    (place / JOB).write_text((wanted or job("finish")).as_json())
    told: list[Mapping[str, Any]] = []
    address = ClusterAddress(cluster.address.replace("ray", "http", 1), TOKEN)
    Bridge(RayJobs(address), place / JOB, workspace, told.append, 60.0).run()
    return told


def test_a_job_that_is_refused_here_is_stopped_there(tmp_path: Path) -> None:
    """A row that is none ends the job: nobody would take what it still measures."""
    script = tmp_path / "hostile.py"
    script.write_text(
        "import json, sys\nsys.stdin.readline()\n"
        f"print(json.dumps({{'row': {{}}, 'key': {KEY!r}, 'parent': {PARENT!r}}}), flush=True)\n"
        "sys.stdin.read()\n"
    )
    cluster = StandInCluster([sys.executable, "-S", str(script)])
    try:
        told = told_by_a_bridge(tmp_path, cluster, Workspace.in_memory())
        assert "neither a point of a scan" in told[-1]["refused"]["text"]
        until(lambda: [remote.status for remote in cluster.jobs.values()] == ["STOPPED"])
    finally:
        cluster.go()


# --- who may ask, and what is sent ------------------------------------------------------------------


def test_a_wrong_token_is_a_sentence(runner: Runner, monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    runner.close()  # its waiting process was started with the right one
    with monkeypatch.context() as changed:
        other = site.on_cluster(Workspace.in_memory())
        other.close()
        changed.setenv("SLIMSCOPE_RUNNER_TOKEN", "guess")
        asking = RayRunner(Workspace.in_memory())
        try:
            asking.submit(job("finish"), ME)
            ended(asking, job("finish"))
            found = asking.info(job("finish").key)
        finally:
            asking.close()
    assert found.state is State.REFUSED
    assert "does not let this server in (HTTP 401)" in str(found.problem)


def test_a_cluster_that_stays_silent_gives_the_job_up_in_the_end(tmp_path: Path) -> None:
    (tmp_path / "jobs" / "key").mkdir(parents=True)
    path = tmp_path / "jobs" / "key" / JOB
    path.write_text(job("finish").as_json())
    told: list[Mapping[str, Any]] = []
    seconds = iter(range(0, 10_000, 400))
    bridge = Bridge(
        RayJobs(ClusterAddress("http://127.0.0.1:9"), seconds=0.2),
        path,
        Workspace.in_memory(),
        told.append,
        900.0,
        clock=lambda: float(next(seconds)),
    )
    bridge.run()
    assert "has not answered for" in told[-1]["failed"]["text"]
    assert [said for said in told if "progress" in said and said["progress"][2] == SILENT]


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("ray://head", "http://head:8265"),
        ("ray://10.0.0.7:9000", "http://10.0.0.7:9000"),
        ("ray+https://[::1]:443", "https://[::1]:443"),
    ],
)
def test_an_address_names_the_jobs_api(said: str, url: str) -> None:
    found = cluster_address({"SLIMSCOPE_RUNNER": said, "SLIMSCOPE_RUNNER_TOKEN": "t"})
    assert found is not None
    assert (found.url, found.token) == (url, "t")
    assert cluster_address({}) is None
    assert cluster_address({"SLIMSCOPE_RUNNER": "local"}) is None


@pytest.mark.parametrize("said", ["http://head", "ray://", "ray://head/path", "ray://head?x=1", "slurm"])
def test_what_names_no_cluster_is_refused(said: str) -> None:
    with pytest.raises(Refused, match="must be local, ray://HOST:PORT"):
        cluster_address({"SLIMSCOPE_RUNNER": said})
    with pytest.raises(Refused, match="number of seconds"):
        cluster_address({"SLIMSCOPE_RUNNER": "ray://head", "SLIMSCOPE_RUNNER_PATIENCE": "long"})


@given(st.binary(max_size=3 * PIECE), st.randoms(use_true_random=False))
def test_a_result_survives_a_log_in_any_order_and_is_never_another(content: bytes, chance: Any) -> None:
    lines = list(result_lines(content))
    pieces, whole = lines[:-1], lines[-1]
    shuffled = [*pieces, *pieces]
    chance.shuffle(shuffled)
    log = "".join(f"noise\n(pid=7) {marked_line(said)}\n" for said in [*shuffled, whole])
    found = ResultPieces()
    for said in said_in(log):
        found.take(said)
    assert found.content == content
    if pieces:
        broken = ResultPieces()
        for said in [*pieces[:-1], whole]:
            broken.take(said)
        assert broken.content is None


def test_half_a_line_says_nothing() -> None:
    whole = marked_line({"progress": [1, 2, "on the way"]})
    assert list(said_in(whole + "\n" + whole)) == [{"progress": [1, 2, "on the way"]}]
    assert list(said_in(whole[:-2] + "\n" + "slimscope-said [1]\n")) == []
    assert rest_of_log(f"Traceback\n  ZeroDivisionError: by hand\n{whole}\n") == "ZeroDivisionError: by hand"


def test_a_row_of_a_scan_is_taken_and_any_other_is_not() -> None:
    assert checked_row(ROW, KEY, PARENT) == ROW
    for change in (
        {"place": 3},
        {"value": float("nan")},
        {"kl": {"value": "much", "unit": "nat"}},
        {"steps": ["magnitude"]},
        {"extra": 1},
        {"packed_bytes": float("inf")},
        {"steps": [{"technique": "x" * 30_000}]},
    ):
        with pytest.raises(Refused, match="neither a point of a scan nor a recipe"):
            checked_row({**ROW, **change}, KEY, PARENT)
    for key, parent in (("../../etc", PARENT), (KEY, "x")):
        with pytest.raises(Refused, match="neither a point of a scan nor a recipe"):
            checked_row(ROW, key, parent)


def test_what_is_known_of_the_model_of_a_job_goes_along_at_once_and_rows_that_come_are_kept(
    tmp_path: Path,
) -> None:
    """A job that was begun to learn of which model it is would warm up every process of a cluster twice."""
    script = tmp_path / "scan.py"
    script.write_text(
        "import json, pathlib, sys\n"
        "path = pathlib.Path(sys.stdin.readline().strip())\n"
        "known = json.loads((path.parent / 'known.json').read_text())\n"
        f"print(json.dumps({{'row': json.loads({json.dumps(json.dumps(ROW))}), 'key': 'd' * 64,"
        f" 'parent': {PARENT!r}}}), flush=True)\n"
        "(path.parent / 'result.safetensors').write_text(json.dumps(sorted(known)))\n"
        "print(json.dumps({'done': True}), flush=True)\n"
    )
    workspace = Workspace.at(tmp_path / "work")
    workspace.scans.keep(KEY, PARENT, ROW)
    cluster = StandInCluster([sys.executable, "-S", str(script)])
    try:
        scan = replace(job("finish"), kind=SCAN.kind, model=PARENT)
        told = told_by_a_bridge(tmp_path, cluster, workspace, scan)
        assert told[-1] == {"done": True}
        assert len(cluster.jobs) == 1
        assert json.loads((tmp_path / "jobs" / "key" / "result.safetensors").read_text()) == [KEY]
        assert set(workspace.scans.of_parent(PARENT)) == {KEY, "d" * 64}
    finally:
        cluster.go()


def test_a_result_that_is_whole_ends_the_wait_for_the_cluster(tmp_path: Path) -> None:
    """Ray says some seconds later that a job is over: nobody waits for that."""
    script = tmp_path / "lingering.py"
    script.write_text(
        "import json, pathlib, sys, time\n"
        "path = pathlib.Path(sys.stdin.readline().strip())\n"
        "(path.parent / 'result.safetensors').write_text('all of it')\n"
        "print(json.dumps({'done': True}), flush=True)\n"
        f"time.sleep({PATIENCE})\n"
    )
    cluster = StandInCluster([sys.executable, "-S", str(script)])
    try:
        told = told_by_a_bridge(tmp_path, cluster, Workspace.in_memory())
        assert told[-1] == {"done": True}
        assert [remote.status for remote in cluster.jobs.values()] == ["RUNNING"]
        assert (tmp_path / "jobs" / "key" / "result.safetensors").read_text() == "all of it"
    finally:
        cluster.go()


def test_equal_files_are_sent_once(cluster: StandInCluster) -> None:
    jobs = RayJobs(ClusterAddress(cluster.address.replace("ray", "http", 1), TOKEN))
    for _ in range(2):
        assert jobs.put("name", {"b": b"2", "a": b"1"}) == "gcs://_ray_pkg_name.zip"
    assert sum(asked.startswith("PUT") for asked in cluster.asked) == 1
    assert packed_files({"b": b"2", "a": b"1"}) == packed_files({"a": b"1", "b": b"2"})
    assert zipfile.ZipFile(io.BytesIO(packed_files({"a": b"1"}))).namelist() == ["a"]


def test_who_hands_out_parts_takes_no_processor_from_them() -> None:
    """With one of its own, a cluster of one processor would wait for itself for ever."""
    assert {kind for kind, task in tasks().items() if task.parts is not None} == DIVIDED


def test_the_files_that_go_along_are_those_that_the_driver_looks_for() -> None:
    assert {JOB, KNOWN, RELEASE} == {"job.json", "known.json", "release.txt"}
