"""A file run in ONNX Runtime, and the network beside it in torch: what each answers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress_core.foundation.errors import Refused, shortened
from compress_core.measure.behavior.evaluate import predictions_of
from compress_core.measure.behavior.predictions import Predictions
from compress_core.network.forward import running_on
from compress_core.network.input_field import InputField
from compress_core.network.living_memory import rows_at_once
from compress_core.network.named_inputs import inputs_by_name
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.split import BATCH, Split

_SILENT = 4


class OnnxSession:
    """A file in ONNX Runtime on one thread of the CPU; the same items give the same bits."""

    def __init__(self, content: bytes, fields: Sequence[InputField] = ()) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _SILENT
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime has a kind of its own for each failure
            raise Refused(
                "ONNX Runtime does not take the file ({reason}): choose another runtime.",
                reason=shortened(str(error)),
            ) from error
        self._names = tuple(given.name for given in self._session.get_inputs())
        self._fields = tuple(field for field in fields if field.name)

    def __call__(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The first output for the items [N, ...] of every input; raises Refused where the runtime stops."""
        return self.outputs(*inputs)[0]

    def outputs(self, *inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Every output for the items [N, ...] of every input; raises Refused where the runtime stops."""
        given = dict(zip(self._names, inputs, strict=True))
        try:
            answered: list[NDArray[np.float32]] = self._session.run(None, given)
        except Exception as error:  # the runtime has a kind of its own for each failure
            raise Refused(
                "ONNX Runtime loads the file and stops while it runs it ({reason}): take the code and "
                "weights of source instead.",
                reason=shortened(str(error)),
            ) from error
        return answered

    def on_tensors(self, batch: Tensor) -> Tensor:
        """The same for one tensor [N, ...] -> outputs [N, classes]."""
        return torch.from_numpy(self.on_rows(batch))

    def on_rows(self, batch: Tensor) -> NDArray[np.float32]:
        """The first output for items [N, ...] as networks here take them: rows of several inputs."""
        if not self._fields:
            return self(batch.numpy())
        given = inputs_by_name(self._fields, batch)
        return self(*(given[name].numpy() for name in self._names))


def predictions_in_torch(
    network: nn.Module, split: Split, key: str, kind: AnswerKind = AnswerKind.SCORES
) -> Predictions:
    """What a network answers on a split, in batches of a fixed size."""
    answers = []
    with torch.no_grad():
        for batch in split.batches(rows_at_once(network, split.inputs, BATCH)):
            with running_on(batch):
                answers.append(network(batch.clone()))
    return predictions_of(torch.cat(answers).float(), split, key, kind)


def predictions_in_runtime(
    content: bytes,
    split: Split,
    rows: int = BATCH,
    fields: Sequence[InputField] = (),
    kind: AnswerKind = AnswerKind.SCORES,
) -> Predictions:
    """What a file answers on a split, so many items at once; raises Refused where it is not taken.

    fields: what stands in an item where the network takes several inputs; kind: how its answers are meant.
    """
    session = OnnxSession(content, fields)
    outputs = np.concatenate([session.on_rows(batch) for batch in split.batches(rows)])
    return predictions_of(torch.from_numpy(outputs), split, hashlib.sha256(content).hexdigest(), kind)
