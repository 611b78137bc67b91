"""Whether a network from an ONNX file answers as ONNX Runtime does, on random items and on real ones.

The runtime is given the file itself, in a process of its own with limits, after all of it was understood.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file.runtime_child import RuntimeQuestion, limits_of
from compress_core.loading.stored import shown

_Array = NDArray[Any]
RuntimeAnswers = Callable[[RuntimeQuestion], _Array]
CLOSE = 1e-5
"""Of the largest answer: what the order of additions does to numbers of 32 bits."""
CLOSE_IF_ROUNDED = 0.02
"""The same where values are rounded on the way: one at the border of two codes may get the other."""
COMMAND = (sys.executable, "-P", "-m", "compress_core.loading.onnx_file.runtime_child")
_ROOT = Path(__file__).resolve().parents[3]
_PATIENCE = 4  # times the seconds of a processor: others want it too
AT_ONCE = 8


class NotComparedError(RuntimeError):
    """Why ONNX Runtime gave no answers."""


@dataclass(frozen=True)
class RuntimeDifference:
    """How far the answers of a network are from those of ONNX Runtime on some items.

    largest: difference; scale: the largest answer; other: items whose answers differ by more than rounding of
    32-bit numbers explains.
    """

    items: int
    largest: float
    scale: float
    other: int

    @property
    def share(self) -> float:
        """The largest difference by the largest answer."""
        return self.largest / self.scale if self.scale else self.largest

    @property
    def text(self) -> Phrase:
        """In a sentence."""
        return Phrase(
            "On {items} items its answers differ from those of ONNX Runtime by {largest} at most, {share} of "
            "the largest answer.",
            items=self.items,
            largest=f"{self.largest:.2g}",
            share=f"{self.share:.1g}",
        )


def whole_batches(rows: Tensor, fixed: int | None) -> Tensor:
    """Items [n, ...], so many that a file takes all of them that takes only so many at once."""
    if fixed is None:
        return rows
    several = rows.repeat(-(-fixed // len(rows)), *(1,) * (rows.dim() - 1))
    return several[: len(several) // fixed * fixed]


def compared_with_runtime(
    network: nn.Module, rows: Tensor, question: RuntimeQuestion, answers: RuntimeAnswers
) -> RuntimeDifference:
    """Compare on items [N, ...]: rows as the network takes them, and as the question has them.

    Raises NotComparedError where the runtime does not answer.
    """
    expected = answers(question)
    with torch.no_grad():
        parts = (rows[at : at + AT_ONCE].clone() for at in range(0, len(rows), AT_ONCE))
        got = torch.cat([network(part) for part in parts]).numpy()
    return compared(got, expected)


def compared(got: _Array, expected: _Array) -> RuntimeDifference:
    """How far answers [N, ...] are from those that are expected."""
    if got.shape != expected.shape:
        return RuntimeDifference(len(expected), np.inf, 1.0, len(expected))
    one, other = (each.reshape(len(each), -1).astype(np.float64) for each in (got, expected))
    with np.errstate(invalid="ignore"):
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        apart = np.where(same, 0.0, np.abs(one - other))
    apart = np.where(np.isnan(apart), np.inf, apart).max(axis=1, initial=0.0)
    finite = np.abs(other[np.isfinite(other)])
    scale = float(finite.max(initial=0.0))
    return RuntimeDifference(
        len(one), float(apart.max(initial=0.0)), scale, int((apart > CLOSE * scale).sum())
    )


def refuse_beyond_rounding(found: RuntimeDifference, name: str, *, is_rounded: bool) -> None:
    """Raise Refused where the answers differ by more than rounding explains."""
    if found.share > (CLOSE_IF_ROUNDED if is_rounded else CLOSE):
        raise Refused(
            "{name} was understood, but answers differently from ONNX Runtime on {other} of {items} items: "
            "by {largest}, where the largest answer is {scale}. It is not opened: open the network by its "
            "code.",
            name=shown(name),
            other=found.other,
            items=found.items,
            largest=f"{found.largest:.3g}",
            scale=f"{found.scale:.3g}",
        )


def answers_apart(question: RuntimeQuestion) -> _Array:
    """What ONNX Runtime answers [N, ...], in a process of its own; raises NotComparedError."""
    try:
        with tempfile.TemporaryDirectory(prefix="slimscope-") as folder:
            place = Path(folder)
            (place / "file").write_bytes(question.content)
            np.savez(place / "inputs.npz", *question.inputs)
            asked = {
                "file": str(place / "file"),
                "inputs": str(place / "inputs.npz"),
                "out": str(place / "answers.npy"),
                "at_once": question.at_once,
                "output": question.output,
            }
            failed = _failed(json.dumps(asked), limits_of(len(question.content))[1])
            if failed:
                raise NotComparedError(failed)
            found: _Array = np.load(place / "answers.npy", allow_pickle=False)
            return found
    except OSError as error:
        raise NotComparedError(error.strerror or str(error)) from error


def _failed(question: str, seconds: int) -> str:
    """Why the process gave no answers, empty where it did."""
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(  # noqa: S603 - our own program, with no text of a user
        list(COMMAND),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        start_new_session=True,  # Ctrl-C in the server's terminal is the server's to handle
    )
    answer = b""
    with suppress(subprocess.TimeoutExpired):
        answer, _ = process.communicate(question.encode() + b"\n", timeout=_PATIENCE * seconds)
    process.kill()
    process.wait()
    if not answer:
        return Phrase(N_("it took more than {seconds} seconds or too much memory"), seconds=seconds)
    failed: str = json.loads(answer)["failed"]
    return failed
