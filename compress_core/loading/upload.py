"""The bytes of a file of weights become a state dict, or one sentence that says why not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from compress_core.loading.state_names import StateDict, without_wrappers
from compress_core.loading.stored import BFLOAT16, Caps, Values
from compress_core.loading.weights_file import SERVER_CAPS, FileWeights, read_weights


def read_state(content: bytes, name: str, caps: Caps = SERVER_CAPS, entry: str | None = None) -> StateDict:
    """The state dict in the bytes of a file, read in this process by the rules of `read_weights`.

    A server has it done by a `FileReader` instead, in a process of its own. Raises Refused, and nothing else,
    whatever the bytes are.
    """
    return state_of(read_weights(content, name, caps, entry))


def state_of(weights: FileWeights) -> StateDict:
    """Arrays by name as a state dict; what wrappers as DataParallel put into the names is taken out."""
    state = without_wrappers({name: _tensor(array) for name, array in weights.arrays.items()})
    return replace(state, remarks=weights.remarks + state.remarks)


def _tensor(values: Values) -> Tensor:
    if values.dtype == BFLOAT16:
        return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(values)
