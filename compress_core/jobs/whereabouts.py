"""Where a job is that a cluster does, as far as the cluster said. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class JobStage(Enum):
    """How far a job has come on a cluster."""

    WAITING = "waiting"
    RUNNING = "running"
    SILENT = "silent"


@dataclass(frozen=True)
class Whereabouts:
    """Where a job is on a cluster.

    host: the machine that was asked, without what opens it; silent_since: where it does not answer, when it
    did last, in seconds since 1970; parts and parts_done: of work that is divided, so far, else 0; workers:
    processors that do them, 0 where nobody said.
    """

    host: str
    stage: JobStage
    silent_since: float | None = None
    parts_done: int = 0
    parts: int = 0
    workers: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "stage": self.stage.value}


def whereabouts_from_json(said: Mapping[str, Any]) -> Whereabouts:
    """The reverse of `Whereabouts.as_json`."""
    return Whereabouts(**{**said, "stage": JobStage(said["stage"])})
