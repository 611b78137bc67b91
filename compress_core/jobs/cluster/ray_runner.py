"""Jobs on a Ray cluster behind the six calls: the queue is here, a process here stands for each job there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.cluster.bridge import COMMAND
from compress_core.jobs.local_runner import LocalRunner
from compress_core.jobs.process import Worker

MOST_AT_ONCE = 8
GRACE_SECONDS = 20.0
"""What a process here gets to have its job ended on the cluster: a look that is under way ends first."""


class BridgeProcess(Worker):
    """Stands for a job on a cluster; before it ends, it has that one ended too."""

    def kill(self) -> None:
        """Ask it to end; at once where it does not within some seconds. `end` collects it."""
        self._process.terminate()
        timer = threading.Timer(GRACE_SECONDS, self._process.kill)
        timer.daemon = True
        timer.start()


class RayRunner(LocalRunner):
    """A `Runner` whose jobs a Ray cluster does, which the environment names; what they leave comes back."""

    def __init__(
        self,
        workspace: Workspace | None = None,
        *,
        most_at_once: int = MOST_AT_ONCE,
        command: Sequence[str] = COMMAND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(workspace, most_at_once=most_at_once, command=command, clock=clock)

    def _new_worker(self) -> Worker:
        place: Path | None = self._place
        return BridgeProcess(self._command, self._folder.log, place)
