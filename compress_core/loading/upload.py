"""The bytes of a file of weights become a state dict, or one sentence that says why not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from compress_core.loading.stored import BFLOAT16, Caps, Values
from compress_core.loading.weights_file import SERVER_CAPS, read_weights

_ADDED_PREFIXES = ("module.", "_orig_mod.")  # by DataParallel and by torch.compile


def read_state_dict(content: bytes, name: str, caps: Caps = SERVER_CAPS) -> dict[str, Tensor]:
    """The state dict in the bytes of a file, read in this process by the rules of `read_weights`.

    A server has it done by a `FileReader` instead, in a process of its own. Raises Refused, and nothing else,
    whatever the bytes are.
    """
    return state_dict_of(read_weights(content, name, caps))


def state_dict_of(values: Mapping[str, Values]) -> dict[str, Tensor]:
    """Arrays by name as a state dict; the prefixes `module.` and `_orig_mod.` are taken off."""
    return _without_prefix({name: _tensor(array) for name, array in values.items()})


def _tensor(values: Values) -> Tensor:
    if values.dtype == BFLOAT16:
        return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(values)


def _without_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _ADDED_PREFIXES:
        if all(name.startswith(prefix) for name in state):
            return _without_prefix({name.removeprefix(prefix): tensor for name, tensor in state.items()})
    return dict(state)
