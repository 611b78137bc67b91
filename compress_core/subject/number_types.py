"""The types in which the numbers of a network came, where everything is calculated in float32."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

SIXTEEN_BITS = (torch.float16, torch.bfloat16)


def types_before(state: Mapping[str, Tensor]) -> Mapping[str, torch.dtype]:
    """By name the types of the tensors that calculations in float32 will change."""
    changing = {n: t.dtype for n, t in state.items() if t.dtype != calculated_type(t.dtype)}
    return MappingProxyType(changing)


def calculated_type(kind: torch.dtype) -> torch.dtype:
    """The type in which numbers of a type are calculated; whole numbers and truth values keep theirs."""
    if kind.is_complex:
        return torch.complex64
    return torch.float32 if kind.is_floating_point else kind


def calculating(network: nn.Module) -> nn.Module:
    """The network with every parameter and buffer in the type in which it is calculated; it is changed.

    A complex buffer stays complex, which a plain cast to float32 would not leave it.
    """
    network.float()
    for module in network.modules():
        for name, held in list(module.named_parameters(recurse=False)):
            if held.is_complex() and held.dtype != torch.complex64:
                setattr(module, name, nn.Parameter(held.detach().to(torch.complex64), requires_grad=False))
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.is_complex() and buffer.dtype != torch.complex64:
                setattr(module, name, buffer.to(torch.complex64))
    return network


def as_it_came(tensor: Tensor, kind: torch.dtype | None) -> Tensor:
    """A tensor of any shape in the 16 bits in which it came, if they hold its values exactly; else itself."""
    if kind not in SIXTEEN_BITS or tensor.dtype != torch.float32:
        return tensor
    assert kind is not None, "one of the types of 16 bits"
    narrow = tensor.to(kind)
    return narrow if torch.equal(narrow.float().nan_to_num(), tensor.nan_to_num()) else tensor


def widened(tensor: Tensor) -> Tensor:
    """A stored tensor of any shape in the type in which it is calculated."""
    return tensor.float() if tensor.dtype in SIXTEEN_BITS else tensor
