"""ONNX Runtime on the processor, given a session that somebody opened on one thread."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress_core.measure.speed.runtimes.runnable import Runnable, Runtime, Whose

OpenSession = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def onnx_runtime(session: OpenSession, whose: Whose, *, int8: bool = False) -> Runnable:
    """A session, items [N, ...] -> scores [N, classes]; int8 says that its file holds codes."""

    def run(batch: Tensor) -> Tensor:
        return torch.from_numpy(session(batch.numpy()))

    return Runnable(Runtime.ONNX_INT8 if int8 else Runtime.ONNX, whose, run)
