"""Casts to 32 bits that stand in a forward, while a network is tried in 64."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_MAKERS = frozenset({torch.zeros, torch.ones, torch.empty, torch.eye, torch.linspace})


def casts_as_in(network: nn.Module) -> AbstractContextManager[object]:
    """Within it, `x.float()` gives 64 bits where the weights of the network have 64: nothing else is meant.

    Networks are evaluated in float32; one in float64 is a copy on which a rewriting is tried.
    """
    is_double = any(parameter.dtype == torch.float64 for parameter in network.parameters())
    return _InDouble() if is_double else nullcontext()


class _InDouble(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = {name: _doubled(value) for name, value in (kwargs or {}).items()}
        if func is Tensor.float:
            func = Tensor.double
        if func in _MAKERS:
            named.setdefault("dtype", torch.float64)
        return func(*map(_doubled, args), **named)


def _doubled(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value
