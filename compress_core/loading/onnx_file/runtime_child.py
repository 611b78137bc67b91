"""`python -m compress_core.loading.onnx_file.runtime_child`: what ONNX Runtime answers, within limits.

It reads a line of JSON: where the file lies, where its items, where the answers go, and how many items are
given at once. It answers with a line of JSON. What the runtime does with somebody's file it does here, where
it can take no more than its share and end nothing but this process.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.loading.reading_child import set_limits
from compress_core.loading.weights_file import SERVER_CAPS

MOST_MEMORY, MOST_SECONDS = 1200 * 2**20, 30
"""For a file as large as a server takes; one of one's own may be larger, and takes more."""
_MEMORY_A_BYTE, _SECONDS_A_BYTE = 6, 2**-20
_SILENT = 4


@dataclass(frozen=True, eq=False)
class RuntimeQuestion:
    """Some inputs [N, ...] to a file, so many items at once, and which of its outputs is asked for."""

    content: bytes
    output: str
    at_once: int
    inputs: tuple[NDArray[Any], ...]


def answer_one() -> int:
    """Run the file that is asked for."""
    import onnxruntime

    asked: dict[str, Any] = json.loads(sys.stdin.readline())
    content = Path(asked["file"]).read_bytes()
    set_limits(*limits_of(len(content)))
    try:
        question = RuntimeQuestion(content, asked["output"], asked["at_once"], _arrays(asked["inputs"]))
        np.save(asked["out"], answers_of(onnxruntime, question), allow_pickle=False)
        said = {"failed": ""}
    except Exception as error:  # noqa: BLE001 - the runtime has a kind of its own for each failure
        said = {"failed": f"{type(error).__name__}: {error}"[:300]}
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the answers are on the disk


def limits_of(size: int) -> tuple[int, int]:
    """The bytes of memory and the seconds that a file of so many bytes may take."""
    more = max(0, size - SERVER_CAPS.file_bytes)
    return MOST_MEMORY + more * _MEMORY_A_BYTE, MOST_SECONDS + round(more * _SECONDS_A_BYTE)


def _arrays(path: str) -> tuple[NDArray[Any], ...]:
    with np.load(path, allow_pickle=False) as found:
        return tuple(found[f"arr_{at}"] for at in range(len(found.files)))


def answers_of(runtime: Any, asked: RuntimeQuestion) -> NDArray[Any]:
    """What a file answers [N, ...], as it is written: nothing in it is joined or left out."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(asked.content, options, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    parts = []
    for at in range(0, len(asked.inputs[0]), asked.at_once):
        part = (each[at : at + asked.at_once] for each in asked.inputs)
        parts.append(session.run([asked.output], dict(zip(names, part, strict=True)))[0])
    return np.concatenate(parts)


if __name__ == "__main__":
    sys.exit(answer_one())
