"""By what and where something is being made: versions, threads, machine, moment."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch

from compress_core.foundation.release import release
from compress_core.reviews.findings import Circumstances

_LIBRARIES = ("torch", "numpy", "scipy", "captum")


def circumstances_of(
    command: str,
    asked: Mapping[str, Any],
    seed: int,
    *,
    device: str = "",
    runtime: str = "",
    no_command: str = "",
    now: datetime | None = None,
) -> Circumstances:
    """What is true of this process. command: what reproduces it; asked: its options, for `verify`.

    no_command: why there is no such command. device and runtime: where the model is meant to run, as the user
    names them.
    """
    moment = datetime.now(UTC) if now is None else now
    return Circumstances(
        command=command,
        asked=dict(asked),
        seed=seed,
        threads=torch.get_num_threads(),
        versions={"slimscope": release(), "python": platform.python_version()}
        | {name: version(name) for name in _LIBRARIES},
        machine={
            "system": platform.system(),
            "processor": platform.machine(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "cores": str(os.cpu_count() or 1),
        },
        target_device=device,
        target_runtime=runtime,
        made=moment.isoformat(timespec="seconds"),
        no_command=no_command,
    )
