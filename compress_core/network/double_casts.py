"""Networks tried in 64 bits, whose forwards make sure of 32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from compress_core.network.forward import Example, run_network

_MAKERS = frozenset({torch.zeros, torch.ones, torch.empty, torch.eye, torch.linspace})


def try_network(network: nn.Module, example: Example) -> Any:
    """What a network answers while a rewriting of it is tried, as `run_network` does."""
    with casts_as_in(network):
        return run_network(network, example)


def casts_as_in(network: nn.Module) -> AbstractContextManager[object]:
    """Within it, `x.float()` gives 64 bits where the weights of the network have 64.

    A cast to 32 bits stands in a forward because items and weights have 32; in a copy of 64 bits, on which
    a rewriting is tried, it would hide rounding errors or not run at all.
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
