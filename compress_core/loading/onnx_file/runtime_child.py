"""`python -m compress_core.loading.onnx_file.runtime_child`: what ONNX Runtime answers, within limits.

It reads a line of JSON: where the file lies, where its items, where the answers go, and how many items are
given at once. It answers with a line of JSON. What the runtime does with somebody's file it does here, where
it can take no more than its share and end nothing but this process.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.loading.reading_child import set_limits

MOST_MEMORY = 1200 * 2**20
MOST_SECONDS = 30
_SILENT = 4


def answer_one() -> int:
    """Run the file that is asked for."""
    import onnxruntime

    asked: dict[str, Any] = json.loads(sys.stdin.readline())
    set_limits(MOST_MEMORY, MOST_SECONDS)
    try:
        answers = answers_of(
            onnxruntime,
            Path(asked["file"]).read_bytes(),
            np.load(asked["items"], allow_pickle=False),
            asked["at_once"],
        )
        np.save(asked["out"], answers, allow_pickle=False)
        said = {"failed": ""}
    except Exception as error:  # noqa: BLE001 - the runtime has a kind of its own for each failure
        said = {"failed": f"{type(error).__name__}: {error}"[:300]}
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the answers are on the disk


def answers_of(runtime: Any, content: bytes, items: NDArray[Any], at_once: int) -> NDArray[Any]:
    """What a file answers to items [N, ...], as it is written: nothing in it is pieces_joined or left out."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (name,) = (given.name for given in session.get_inputs())
    parts = [session.run(None, {name: items[at : at + at_once]})[0] for at in range(0, len(items), at_once)]
    return np.concatenate(parts)


if __name__ == "__main__":
    sys.exit(answer_one())
