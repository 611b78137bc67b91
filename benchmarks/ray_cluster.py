"""A real Ray cluster on this machine, two workers of one processor each: a scan, sooner, and through faults.

`ray` must be on the PATH (pip install "ray[default]"), in an environment that has this very project, torch
and numpy. Everything listens on 127.0.0.1 and is ended afterwards, by its process ids.

SLIMSCOPE_CLUSTER names the rows, `workers`, `search` and those of `ray_faults`, with a space between them;
left out, all. SLIMSCOPE_CLUSTER_POINTS says how many points the scan of `workers` has, at least, and
SLIMSCOPE_CLUSTER_ITEMS on how many items each is measured.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import mean
from types import MappingProxyType
from typing import Any

from benchmarks.networks import FULL, Size
from benchmarks.ray_faults import FAULTS, ClusterFault, line_of_fault
from benchmarks.ray_machine import ADDRESS, cluster_of
from benchmarks.ray_watch import ME, PATIENCE, runner_in_folder
from compress_core.apply.model import Model
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.scan_trials import trials_of
from compress_core.decide.search_plan import SearchPlan
from compress_core.foundation.store import Store
from compress_core.jobs.bundle import bundle_of, read_bundle
from compress_core.jobs.cluster.ray_runner import RayRunner
from compress_core.jobs.job import Job
from compress_core.jobs.local_runner import LocalRunner
from compress_core.jobs.runner import Runner
from compress_core.jobs.task import task_of
from compress_core.loading.samples import load_sample
from compress_core.subject.subject import Subject
from compress_core.tasks.scan_layers import SCAN
from compress_core.tasks.search_recipes import SEARCH

ROWS, POINTS, ITEMS = "SLIMSCOPE_CLUSTER", "SLIMSCOPE_CLUSTER_POINTS", "SLIMSCOPE_CLUSTER_ITEMS"
WORKERS, SEARCHED = "workers", "search"
SMALL, LARGE = "lenet300", "vit"
USUAL_ITEMS, MOST_OF_EACH = 2000, 32
GOAL = 1.8


def lines(size: Size) -> Iterator[str]:
    """The rows of docs/benchmarks.md; raises AssertionError where a fault changed a number."""
    if shutil.which("ray") is None:
        yield "| where | what was measured |"
        yield "| --- | --- |"
        yield "| Ray, one worker and two | nothing: no program ray is on the PATH |"
        yield '| Ray, through faults | nothing: pip install "ray[default]" |'
        return
    asked = os.environ.get(ROWS, "").split() or [WORKERS, SEARCHED, *FAULTS]
    if WORKERS in asked:
        points = int(os.environ.get(POINTS, "1000" if size is FULL else "40"))
        yield from _scanned_sooner(points, int(os.environ.get(ITEMS, USUAL_ITEMS)))
    if SEARCHED in asked:
        yield from _sooner(f"a search of {SMALL}", lambda _: [_job(SEARCH, SearchPlan())])
    faults = [FAULTS[name] for name in asked if name not in (WORKERS, SEARCHED)]
    if faults:
        yield from _through(faults)


def _through(faults: list[ClusterFault]) -> Iterator[str]:
    """A line for each; raises AssertionError after the last where one of them went wrong."""
    yield "\n| what happens | longest look at the job, s | state | table as without a cluster |"
    yield "| --- | --- | --- | --- |"
    job, wrong = _job(SCAN, ScanPlan(points=3)), []
    with runner_in_folder(LocalRunner) as here:
        _, (wanted,) = _done(here, [job])
    for fault in faults:
        try:
            yield line_of_fault(fault, job, wanted)
        except AssertionError as error:
            wrong.append(fault.title)
            yield f"| {fault.title} | | {error} | no |"
    assert not wrong, f"this went wrong: {', '.join(wrong)}"


def _job(task: Any, plan: Any, name: str = SMALL) -> Job:
    job: Job = task.job(Model.original(load_sample(name)), plan, 0, found_in=name)
    return job


def _with_items(items: int) -> Subject:
    """A transformer with so many items, all of which a point is measured on at once."""
    whole = load_sample(LARGE)
    splits = {name: split.first(items) for name, split in whole.splits.items()}
    return read_bundle(bundle_of(replace(whole, splits=MappingProxyType(splits))))


def _plan(model: Model, points: int, items: int) -> tuple[ScanPlan, int]:
    """A scan of so many points, or of as many as there can be, and how many these are.

    One job: each has a driver and processes of its own, whose start is what a cluster costs.
    """
    for each in range(1, MOST_OF_EACH + 1):
        plan = ScanPlan(points=each, sample=items)
        count = len(trials_of(model, plan, Store()))
        if count >= points:
            break
    return plan, count


def _scanned_sooner(points: int, items: int) -> Iterator[str]:
    subject = _with_items(items)
    model = Model.original(subject)
    plan, count = _plan(model, points, items)

    def jobs(runner: Runner, *shards: str) -> list[Job]:
        put = runner.put(bundle_of(subject))
        plans = [plan.model_copy(update={"shard": shard}) for shard in shards or ("1/1",)]
        return [SCAN.job(model, each, 0, found_in=put) for each in plans]

    title = f"a scan of {count:,} points of {subject.name}, {items:,} items"
    yield from _sooner(title, jobs, GOAL, lambda runner: jobs(runner, "1/2", "2/2"))


def _sooner(
    title: str,
    jobs: Callable[[Runner], list[Job]],
    goal: float | None = None,
    halves: Callable[[Runner], list[Job]] = lambda _: [],
) -> Iterator[str]:
    """The same jobs here, with one worker there and with two; halves: what two processes here do before.

    Two workers before and after one: what a machine does in a second changes from minute to minute. One
    worker leaves the second processor to Ray itself and to the driver.
    """
    yield f"\n| {title} | seconds | table as without a cluster |"
    yield "| --- | --- | --- |"
    with runner_in_folder(LocalRunner, most_at_once=2) as here:
        first = halves(here)
        before, _ = _done(here, first)
        took, wanted = _done(here, jobs(here))
    processes = "two processes, half of the points each" if first else "one process"
    yield f"| this machine, {processes} | {before + took:.1f} | yes |"
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for workers in (2, 1, 2):
        cluster_here = cluster_of(1, processors=workers)
        with cluster_here as cluster, runner_in_folder(RayRunner, ADDRESS) as there:
            cluster.settle()
            took, found = _done(there, jobs(there))
        name = "one worker" if workers == 1 else "two workers"
        assert found == wanted, f"{name} left something else"
        seconds[workers].append(took)
        yield f"| Ray, {name} | {took:.1f} | yes |"
    said = f" (goal: {goal})" if goal else ""
    yield f"\nTwo workers are {mean(seconds[1]) / mean(seconds[2]):.2f} times as fast as one{said}."


def _done(runner: Runner, jobs: list[Job]) -> tuple[float, list[Any]]:
    """The seconds that jobs took together, and what they left."""
    began = time.monotonic()
    for job in jobs:
        runner.submit(job, ME)
    keys = [job.key for job in jobs]
    assert len(list(runner.as_done(keys, PATIENCE))) == len(keys), "a job does not end"
    took = time.monotonic() - began
    return took, [task_of(job).result(_left(runner, job)) for job in jobs]


def _left(runner: Runner, job: Job) -> bytes:
    content = runner.result(job.key)
    assert content is not None, f"nothing was left: {runner.info(job.key)}"
    return content
