"""A scan of sensitivities beside the naive loop, killed and resumed, and in two parts.

The naive loop does for each point what one would write first: copy the network, compress it, run all
validation items, compare, pack. Both take turns, point by point, in one process; times are CPU seconds.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.networks import FULL, Size
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.decide.scan import scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.scan_trials import ScanTrial, trials_of
from compress_core.decide.sensitivity import ScanPoint, Sensitivity
from compress_core.deliver.packed_file import pack_bytes
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.loading.named import named_subject
from compress_core.measure.behavior.metrics.kl import kl_by_item
from compress_core.measure.behavior.predictions import Predictions, gained_and_lost
from compress_core.numerics.arrays import Floats
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject

NETWORKS, FIVE = ("lenet5", "resnet"), ScanPlan()
FEWER, ONE = ("tabular",), ScanPlan(points=1, sample=100)
KILLED_AFTER, KILLED_EARLY = (0.25, 0.6), (0.25, 0.5)
"""Of the rows of a whole scan; those of all items come last, together: of few points they are nearly half."""
_HEADS = (
    "network",
    "points",
    "on all items",
    "naive",
    "ours",
    "times faster",
    "largest difference, nat",
    "killed twice",
    "two parts",
)
_TABLE = "SELECT key, point FROM scan_points ORDER BY key"


@dataclass(frozen=True, eq=False)
class NaivePoint:
    """What the loop found: divergence of each item, items turned right and wrong are those of predictions."""

    after: Predictions
    divergence: Floats
    packed_bytes: int


@dataclass
class Turns:
    """CPU seconds of both sides, and what the loop found by the steps of a point."""

    ours: float = 0.0
    naive: float = 0.0
    found: dict[tuple[object, ...], NaivePoint] = field(default_factory=dict)


def lines(size: Size) -> Iterator[str]:
    """A line for each network."""
    yield "| " + " | ".join(_HEADS) + " |"
    yield "| " + " | ".join(["---"] * len(_HEADS)) + " |"
    for name in NETWORKS if size == FULL else FEWER:
        yield _line(name, FIVE if size == FULL else ONE)
    yield "Each point is measured on a sample first, and on all items where its interval says no one word."


def _line(name: str, plan: ScanPlan) -> str:
    subject = named_subject(name)
    turns, found = _in_turns(subject, plan)
    points = [point for curve in found.curves for point in curve.points]
    apart = max(_difference(point, turns, subject) for point in points if point.is_measured)
    on_all = sum(point.kl.n == found.n for point in points if point.is_measured)
    with TemporaryDirectory() as folder:
        whole = _rows_of(Path(folder) / "whole", name, plan)
        moments = [share * len(whole) for share in (KILLED_AFTER if plan == FIVE else KILLED_EARLY)]
        killed = _killed(Path(folder) / "killed", name, plan, moments)
        parts = _in_parts(Path(folder), name, plan)
    said = ("identical" if table == whole else "DIFFERENT" for table in (killed, parts))
    ratio = turns.naive / turns.ours
    measured = sum(point.is_measured for point in points)
    cells = [
        name,
        measured,
        on_all,
        f"{turns.naive:.0f} s",
        f"{turns.ours:.1f} s",
        f"{ratio:.1f}",
        f"{apart:.1e}",
        *said,
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def _in_turns(subject: Subject, plan: ScanPlan) -> tuple[Turns, Sensitivity]:
    """A step of the scan, a point of the loop, and so on."""
    parent, turns = Model.original(subject), Turns()
    split = subject.split("validation")
    todo = iter(trials_of(parent, plan, Store()))
    before = _answers(subject.network, split, subject)
    work = scan(parent, plan, Store())
    while True:
        began = time.process_time()
        try:
            next(work)
        except StopIteration as end:
            turns.ours += time.process_time() - began
            for trial in todo:
                _naive(trial, subject, before, turns)
            return turns, end.value
        turns.ours += time.process_time() - began
        for trial in islice(todo, 1):
            _naive(trial, subject, before, turns)


def _naive(trial: ScanTrial, subject: Subject, before: Predictions, turns: Turns) -> None:
    if trial.refused is not None:
        return
    began = time.process_time()
    split = subject.split("validation")
    try:
        model = compress(subject, trial.recipe, Store())
    except Refused:
        return
    after = _answers(deepcopy(model.network()), split, subject)
    found = NaivePoint(after, kl_by_item(before, after), len(pack_bytes(model)))
    turns.naive += time.process_time() - began
    turns.found[trial.place, trial.family, trial.value] = found


def _answers(network: torch.nn.Module, split: Split, subject: Subject) -> Predictions:
    with torch.inference_mode():
        logits = torch.cat([network(batch) for batch in split.batches()])
    assert split.labels is not None, "samples have labels"
    return Predictions(logits.numpy(), split.labels.numpy(), split.name, split.digest, "", subject.answers)


def _difference(point: ScanPoint, turns: Turns, subject: Subject) -> float:
    """How far a point is from the loop on the same items, nats; bytes and answers must be the same."""
    naive, n = turns.found[point.place, point.family, point.value], point.kl.n
    split = subject.split("validation").first(n or 0)
    before = _answers(subject.network, split, subject)
    labels = naive.after.labels
    assert labels is not None, "samples have labels"
    after = Predictions(naive.after.logits[:n], labels[:n], split.name, split.digest, "", subject.answers)
    gained, lost = gained_and_lost(before, after)
    assert point.packed_bytes == naive.packed_bytes, f"{point.place}: other bytes"
    assert np.isclose(point.accuracy_change.value or 0.0, 100 * (gained - lost) / (n or 1)), point.place
    return abs((point.kl.value or 0.0) - float(naive.divergence[:n].mean()))


def work_in(folder: str, name: str, plan: str, most_rows: float | None = None) -> None:
    """What another process does: scan in a workspace of its own, one thread.

    most_rows: where the table holds as many, the process is killed by itself, as kill -9 does.
    """
    torch.set_num_threads(1)
    store = Store(workspace=Workspace.at(Path(folder)))
    for _ in scan(Model.original(named_subject(name)), ScanPlan.model_validate_json(plan), store):
        if most_rows is not None and len(_table(Path(folder))) >= most_rows:
            os.kill(os.getpid(), signal.SIGKILL)


def _process(folder: Path, name: str, plan: ScanPlan, most_rows: float) -> subprocess.Popen[bytes]:
    asked = (str(folder), name, plan.model_dump_json(), most_rows)
    said = f"from benchmarks.scan import work_in; work_in{asked!r}"
    return subprocess.Popen([sys.executable, "-c", said])  # noqa: S603 - our own words


def _rows_of(folder: Path, name: str, plan: ScanPlan) -> list[tuple[str, str]]:
    """The table that a scan leaves which nobody ends."""
    work_in(str(folder), name, plan.model_dump_json())
    return _table(folder)


def _table(folder: Path) -> list[tuple[str, str]]:
    file = folder / "workspace.sqlite"
    if not file.exists():
        return []
    connection = sqlite3.connect(file, timeout=60)
    try:
        return list(connection.execute(_TABLE))
    except sqlite3.OperationalError:  # it is being made
        return []
    finally:
        connection.close()


def _killed(folder: Path, name: str, plan: ScanPlan, moments: Sequence[float]) -> list[tuple[str, str]]:
    """The same after kill -9 each time that the table has so many rows."""
    for rows in moments:
        code = _process(folder, name, plan, rows).wait()
        assert code == -signal.SIGKILL, "it was not killed before its end"
    return _rows_of(folder, name, plan)


def _in_parts(folder: Path, name: str, plan: ScanPlan) -> list[tuple[str, str]]:
    """The same in two parts, each in a workspace of its own, merged."""
    first, second = (folder / f"part {number}" for number in (1, 2))
    _rows_of(first, name, plan.model_copy(update={"shard": "1/2"}))
    _rows_of(second, name, plan.model_copy(update={"shard": "2/2"}))
    into, of = Workspace.at(first), Workspace.at(second)
    into.scans.take_from(of.scans)
    into.close()
    of.close()
    return _table(first)
