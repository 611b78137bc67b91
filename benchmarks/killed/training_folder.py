"""A training by the command line into a folder, gone on with by --resume."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path

from benchmarks.killed_process import Say
from benchmarks.killed_work import SAMPLE, Killed, Traces, highest, killed, nothing, sha
from compress_core.cli.commands import app
from compress_core.deliver.trained_folder import CHECKPOINT, HISTORY, WEIGHTS, read_history, read_value
from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.folder import VARIABLE
from compress_core.training.checkpoint import Checkpoint


@killed("trains into a folder", order=9)
def training_folder(*, small: bool) -> Killed:
    """An epoch counts as said when its line stands on stderr."""
    return Killed(partial(_train, epochs=2 if small else 4), nothing, _lost, _damaged)


def _train(folder: Path, say: Say, *, epochs: int) -> str:
    os.environ[VARIABLE] = ""
    out = folder / "trained"
    anew = [
        "train",
        SAMPLE,
        "--step",
        "*: magnitude sparsity=0.5",
        "--epochs",
        str(epochs),
        "--out",
        str(out),
    ]
    heard = _Lines(say)
    with redirect_stderr(heard):
        app(["train", "--resume", str(out)] if (out / HISTORY).exists() else anew, standalone_mode=False)
    return json.dumps({name: sha(out / name) for name in (HISTORY, WEIGHTS)})


class _Lines(io.StringIO):
    """Says each epoch of which a command writes a line."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say

    def write(self, text: str) -> int:
        """An epoch counts as said when its line is written."""
        if text.startswith("epoch "):
            self._say(text.removeprefix("epoch ").partition(":")[0])
        return len(text)


def _lost(traces: Traces) -> int:
    out = traces.folder / "trained"
    if (out / WEIGHTS).exists():
        return 0
    kept = read_value(out / CHECKPOINT, Checkpoint).epochs if (out / CHECKPOINT).exists() else 0
    return max(0, highest(traces.said) - kept)


def _damaged(traces: Traces) -> int:
    """Weights under their name are those of an undisturbed run; a checkpoint and the history can be read."""
    out, whole = traces.folder / "trained", traces.whole / "trained"
    wrong = (out / WEIGHTS).exists() and sha(out / WEIGHTS) != sha(whole / WEIGHTS)
    try:
        if (out / CHECKPOINT).exists():
            read_value(out / CHECKPOINT, Checkpoint)
        if (out / HISTORY).exists():
            read_history(out)
    except Refused:
        return 1
    return int(wrong)
