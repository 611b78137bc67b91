"""Train a model: epoch by epoch, each kept, so that what was interrupted goes on where it stood."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace

import numpy as np

from compress_core.apply.lineage import Train
from compress_core.apply.model import Model
from compress_core.foundation.knobs import Strict
from compress_core.foundation.plain_json import text_as_json, text_from_json
from compress_core.foundation.progress import Progress
from compress_core.foundation.release import lasting_key
from compress_core.foundation.store import Store, digest
from compress_core.foundation.stored_value import from_bytes, to_bytes
from compress_core.jobs.task import ResultFiles, Task
from compress_core.subject.training_items import TRAINING
from compress_core.training.checkpoint import Checkpoint
from compress_core.training.loop import EpochDone, Trained, train
from compress_core.training.plan import parse_plan
from compress_core.training.training_run import VALIDATION, TrainingRun, operation_of

CHECKPOINT = "checkpoint"


class TrainKnobs(Strict):
    """How a model is trained: the plan as its canonical JSON text."""

    plan: str


def run_of(model: Model, knobs: TrainKnobs, teacher: Model | None = None) -> TrainingRun:
    """All that decides a training; raises Refused where the model has no items for it."""
    plan = parse_plan(json.loads(knobs.plan))
    return TrainingRun(model, plan, model.subject.split(TRAINING), model.subject.split(VALIDATION), teacher)


def run(model: Model, knobs: TrainKnobs, _seed: int, store: Store) -> Generator[Progress, None, Trained]:
    """Train, from the last epoch that was kept if there is one; the seed stands in the plan."""
    return carried_out(run_of(model, knobs), store)


def carried_out(training: TrainingRun, store: Store) -> Generator[Progress, None, Trained]:
    """Train, each epoch kept, from the last one that was if there is one."""
    name = _name(training.model, training.operation)
    work = train(training, store, _checkpoint(name, store))
    while True:
        try:
            progress = next(work)
        except StopIteration as end:
            trained: Trained = end.value
            return trained
        if isinstance(progress, EpochDone) and progress.checkpoint is not None:
            keep_checkpoint(name, progress.checkpoint, store)
        yield progress


def kept_checkpoint(model: Model, knobs: TrainKnobs, store: Store) -> Checkpoint | None:
    """Where an interrupted training of the same kind stood; None where there is nothing."""
    return _checkpoint(_name(model, _whole(model, knobs)), store)


def _checkpoint(name: str, store: Store) -> Checkpoint | None:
    content = None if store.workspace is None else store.workspace.results.find(name)
    found: Checkpoint | None = None if content is None else from_bytes(content)
    return found


def keep_checkpoint(name: str, checkpoint: Checkpoint, store: Store) -> None:
    """Keep where a training stands, in place of the epoch before; raises Refused where the disk is full."""
    if store.workspace is not None:
        store.workspace.results.keep(name, CHECKPOINT, to_bytes(checkpoint))


def is_begun(model: Model, knobs: TrainKnobs, store: Store) -> bool:
    """Whether an epoch of such a training is done, so that it goes on from there."""
    return store.workspace is not None and store.workspace.results.has(_name(model, _whole(model, knobs)))


def _whole(model: Model, knobs: TrainKnobs) -> Train:
    plan = parse_plan(json.loads(knobs.plan))
    return operation_of(model, plan, plan.knobs.epochs)


def _name(model: Model, operation: Train) -> str:
    """Of another release or another source the steps may differ in their last bits."""
    return lasting_key(digest("checkpoint", model.key, operation.key))


def pack(trained: Trained) -> ResultFiles:
    """The trained weights and the figures of all epochs."""
    content = np.frombuffer(to_bytes(replace(trained, ended=None)), np.uint8)
    return ResultFiles({"trained": content}, {"ended": text_as_json(trained.ended)})


def unpack(packed: ResultFiles) -> Trained:
    """The reverse of `pack`."""
    found: Trained = from_bytes(packed.arrays["trained"].tobytes())
    return replace(found, ended=text_from_json(packed.facts["ended"]))


TRAIN = Task("train", TrainKnobs, lambda _: (TRAINING, VALIDATION), run, pack, unpack)
