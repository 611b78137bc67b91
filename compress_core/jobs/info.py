"""How a job stands, as a value. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress
from compress_core.jobs.whereabouts import Whereabouts

_TOO_EARLY = 0.03


class State(Enum):
    """Where a job is on its way."""

    UNKNOWN = "unknown"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Info:
    """One look at a job.

    ahead: jobs before it in the queue; seconds: how long it has run since it first said how far it is, in
    the pass under way where it counts each anew, and share_before: how far that was, which is more than
    nothing for what goes on from where it stood;
    problem: why there is no result, in one sentence; pid: the process that works on it, where it is on this
    machine; figures: what it has told of itself so far, plain JSON values, the first first; where: where on
    a cluster it is, None for what this machine does.
    """

    key: str
    state: State
    progress: Progress | None = None
    ahead: int = 0
    seconds: float = 0.0
    share_before: float = 0.0
    watchers: int = 0
    problem: Refused | None = None
    pid: int | None = None
    figures: tuple[Mapping[str, Any], ...] = ()
    where: Whereabouts | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state not in {State.QUEUED, State.RUNNING}

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the time so far; None while it is too early to say."""
        done = 0.0 if self.progress is None else self.progress.share - self.share_before
        if self.progress is None or done < _TOO_EARLY:
            return None
        return self.seconds * (1 - self.progress.share) / done
