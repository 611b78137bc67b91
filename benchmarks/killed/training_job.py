"""A training as a job, whose epochs the workspace keeps."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

from benchmarks.killed_process import Say
from benchmarks.killed_work import (
    EARLIER,
    Killed,
    Traces,
    highest,
    killed,
    nothing,
    small_sample,
    workspace_damage,
)
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.tasks.train_model import TRAIN, TrainKnobs, kept_checkpoint
from compress_core.training.flat_plan import flat_plan
from compress_core.training.loop import EpochDone


@killed("trains as a job", order=8)
def training_job(*, small: bool) -> Killed:
    """Says each epoch when it is kept."""
    knobs = TrainKnobs(plan=flat_plan([], {"epochs": 2 if small else 4}).text)
    return Killed(partial(_train, knobs=knobs), nothing, partial(_lost, knobs=knobs), workspace_damage)


def _train(folder: Path, say: Say, *, knobs: TrainKnobs) -> str:
    place = Workspace.at(folder)
    work = TRAIN.run(small_sample(EARLIER), knobs, 0, Store(workspace=place))
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            place.close()
            return hashlib.sha256(TRAIN.pack(end.value).as_bytes()).hexdigest()
        if isinstance(step, EpochDone):
            say(str(step.figures.epoch))


def _lost(traces: Traces, *, knobs: TrainKnobs) -> int:
    place = Workspace.at(traces.folder)
    kept = kept_checkpoint(small_sample(EARLIER), knobs, Store(workspace=place))
    place.close()
    return max(0, highest(traces.said) - (0 if kept is None else kept.epochs))
