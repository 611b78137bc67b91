"""A file run in ONNX Runtime: what it answers, and how well that agrees with torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from compress_core.deliver.parity import largest_difference
from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.number import Number
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.intervals import wilson
from compress_core.subject.split import BATCH, Split


class OnnxSession:
    """A file in ONNX Runtime on one thread of the CPU; the same items give the same bits."""

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime has a kind of its own for each failure
            raise Refused(
                "ONNX Runtime does not take the file ({reason}): choose another runtime.",
                reason=shortened(str(error)),
            ) from error
        self._names = tuple(given.name for given in self._session.get_inputs())

    def __call__(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The first output for the items [N, ...] of every input."""
        outputs = self._session.run(None, dict(zip(self._names, inputs, strict=True)))
        first: NDArray[np.float32] = outputs[0]
        return first


@dataclass(frozen=True, eq=False)
class Agreement:
    """A file in its runtime beside the network in torch, on all items of a split.

    largest_difference: of any output; same_class: share of the items, Wilson interval; accuracy: measured
    anew in the runtime, missing without labels; change: against torch, in points, paired interval.
    """

    split: str
    largest_difference: float
    same_class: Number
    accuracy: Number
    change: Number
    in_torch: Predictions
    in_runtime: Predictions


def predictions_in_torch(network: nn.Module, split: Split, key: str) -> Predictions:
    """What a network answers on a split, in batches of a fixed size."""
    with torch.no_grad():
        logits = torch.cat([network(batch) for batch in split.batches()])
    return Predictions(logits.float().numpy(), _labels(split), split.name, split.digest, key)


def predictions_in_runtime(content: bytes, split: Split) -> Predictions:
    """What a file answers on a split; raises Refused where the runtime does not take it."""
    session = OnnxSession(content)
    starts = range(0, len(split), BATCH)
    logits = np.concatenate([session(split.inputs[at : at + BATCH].numpy()) for at in starts])
    return Predictions(logits, _labels(split), split.name, split.digest, hashlib.sha256(content).hexdigest())


def parity(network: nn.Module, content: bytes, split: Split, key: str = "torch") -> Agreement:
    """Run both on the same items; raises Refused where they are no classifiers."""
    one, other = predictions_in_torch(network, split, key), predictions_in_runtime(content, split)
    same = int(np.count_nonzero(one.predicted == other.predicted))
    low, high = wilson(same, one.n)
    numbers = Comparison(one, other).numbers
    return Agreement(
        split.name,
        largest_difference(torch.from_numpy(one.logits.copy()), torch.from_numpy(other.logits.copy())),
        Number(same / one.n, "share", "measured", float(low), float(high), one.n),
        numbers["accuracy"],
        numbers["accuracy_change"],
        one,
        other,
    )


def _labels(split: Split) -> NDArray[np.int64] | None:
    return None if split.labels is None else split.labels.numpy()
