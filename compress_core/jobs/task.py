"""What a worker can do: a task is one file in tasks/, which makes a job of a generator of the core."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.numpy import load, save

from compress_core.apply.lineage import lineage_text
from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Strict
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store, digest
from compress_core.foundation.stored_value import FACTS, facts_in
from compress_core.jobs.job import Job, canonical_json
from compress_core.subject.subject import Subject

TaskKnobs = TypeVar("TaskKnobs", bound=Strict)
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class ResultFiles:
    """A result as its file holds it: arrays by name, and everything else as plain JSON values."""

    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]

    def as_bytes(self) -> bytes:
        """One file: safetensors, the facts in its header."""
        arrays = {name: np.ascontiguousarray(values) for name, values in self.arrays.items()}
        return save(arrays, {FACTS: json.dumps(dict(self.facts), allow_nan=False)})

    @classmethod
    def read(cls, content: bytes) -> ResultFiles:
        """What `as_bytes` made."""
        return cls(load(content), facts_in(content))


@dataclass(frozen=True)
class WorkPart:
    """What one process of a cluster does of a job: a kind of task, and its knobs as JSON."""

    kind: str
    knobs: str


def _nothing(_progress: Progress, _most: int) -> Sequence[WorkPart]:
    return ()


@dataclass(frozen=True)
class TaskParts(Generic[TaskKnobs]):
    """How work is divided whose parts leave rows on top of a model (`ScanPoints.of_model`).

    Whoever has all rows has the whole. divided(knobs, processors): parts that nothing goes before, for so
    many processors, in the order in which they are begun; coming(progress, most): what work that stands there
    needs next, and then what it may need.
    """

    divided: Callable[[TaskKnobs, int], Sequence[WorkPart]]
    coming: Callable[[Progress, int], Sequence[WorkPart]] = _nothing


@dataclass(frozen=True)
class Task(Generic[TaskKnobs, Result]):
    """A kind of long work: run(model, knobs, seed, store) and how its result goes into a file and back.

    splits(knobs) names the items that are used; their digests are part of a job's key. parts: how several
    processes do it together, None where they cannot. tells_names: whether its result says what the model and
    its classes are called, or the bytes of a file, which holds the name; then a model that is called
    otherwise has a job of its own. tells_inputs: the same of how items become inputs. order_only: names of
    knobs that say in which order the work is done and change no result; jobs that differ in these alone are
    one job.
    """

    kind: str
    knobs: type[TaskKnobs]
    splits: Callable[[TaskKnobs], tuple[str, ...]]
    run: Callable[[Model, TaskKnobs, int, Store], Generator[Progress, None, Result]]
    pack: Callable[[Result], ResultFiles]
    unpack: Callable[[ResultFiles], Result]
    parts: TaskParts[TaskKnobs] | None = None
    tells_names: bool = False
    tells_inputs: bool = False
    order_only: tuple[str, ...] = ()

    def content(self, subject: Subject, knobs: TaskKnobs) -> str:
        """What tells a model for this task: its network and items, and the names that its result says."""
        found = content_of(subject, *self.splits(knobs))
        if self.tells_inputs:
            found = digest(found, subject.input, *subject.remarks_on.items.sentences)
        return digest(found, subject.name, subject.classes) if self.tells_names else found

    def job(self, model: Model, knobs: TaskKnobs, seed: int, *, found_in: str) -> Job:
        """The job of doing this with a model; found_in: a sample's name or what `put` answered."""
        said = knobs.model_dump(mode="json")
        order = {name: said.pop(name) for name in self.order_only}
        return Job(
            kind=self.kind,
            content=self.content(model.subject, knobs),
            subject=found_in,
            lineage=lineage_text(model.lineage),
            knobs=canonical_json(said),
            seed=seed,
            order=canonical_json(order),
            model=model.key,
        )

    def knobs_of(self, job: Job) -> TaskKnobs:
        """The knobs of a job; raises Refused for values that the task does not take."""
        try:
            asked = self.knobs.model_validate_json(job.knobs)
            said = {**asked.model_dump(mode="json"), **json.loads(job.order)}
            return self.knobs.model_validate_json(canonical_json(said))
        except ValidationError as error:
            reason = str(error.errors()[0]["msg"])
            raise Refused(
                "The task {kind} does not take these values ({reason}): submit the job again.",
                kind=self.kind,
                reason=reason,
            ) from None

    def result(self, content: bytes) -> Result:
        """What a finished job left, from what its runner gives."""
        return self.unpack(ResultFiles.read(content))


def content_of(subject: Subject, *splits: str) -> str:
    """Digest of the network, its code and the items of these splits."""
    return digest(subject.key, *(subject.digest_of(split) for split in splits))


@lru_cache(maxsize=1)
def tasks() -> Mapping[str, Task[Any, Any]]:
    """Every task by its kind."""
    package = importlib.import_module("compress_core.tasks")
    modules = [
        importlib.import_module(f"{package.__name__}.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
    ]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Task)]
    return MappingProxyType({task.kind: task for task in found})


def task_of(job: Job) -> Task[Any, Any]:
    """The task of a job; raises Refused for an unknown kind."""
    if job.kind not in tasks():
        raise Refused(
            "There is no task {kind!r}; there are {known}: choose one of them.",
            kind=job.kind,
            known=", ".join(tasks()),
        )
    return tasks()[job.kind]
