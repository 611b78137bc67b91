"""A copy of a network's module tree that shares every parameter and buffer with the original."""

from __future__ import annotations

import copy
import hashlib
import itertools
import re

import torch
from torch import nn


def skeleton_of(network: nn.Module) -> nn.Module:
    """Modules copied, tensors shared: hooks and replaced layers are the copy's own.

    Buffers are shared because nothing here runs in training mode.
    """
    tensors = itertools.chain(network.parameters(), network.buffers())
    return copy.deepcopy(network, memo={id(t): t for t in tensors})


def digest_of(network: nn.Module) -> str:
    """sha-256 over the modules with what they say of themselves, and all parameters and buffers.

    The modules count because a stride or an activation is in no parameter. Addresses of memory, which
    some modules show, do not.
    """
    content = hashlib.sha256()
    for name, module in network.named_modules():
        told = re.sub(r"\b0x[0-9a-f]+", "", module.extra_repr())
        content.update(f"{name} {type(module).__qualname__} {told}\n".encode())
    for name, tensor in sorted(network.state_dict().items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        content.update(flat.numpy().tobytes())
    return content.hexdigest()
