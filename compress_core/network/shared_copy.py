"""Copies of a network, one that shares its parameters and one that shares nothing; and its digest."""

from __future__ import annotations

import hashlib
import re
import types

import torch
from torch import nn

from compress_core.network.copied_tree import copied_tree
from compress_core.network.layers.wrappers import inside

_OF_EVERY_MODULE = frozenset(vars(nn.Module()))


def shared_copy(network: nn.Module) -> nn.Module:
    """Modules copied, parameters shared: hooks, buffers and replaced layers are the copy's own.

    A forward may write to buffers, and to whatever else its modules hold, in evaluation mode as well; so
    what it writes stays in the copy.
    """
    return copied_tree(network, {id(parameter): parameter for parameter in network.parameters()})


def own_copy(network: nn.Module) -> nn.Module:
    """A copy that shares no tensor with the network, without what only calls it or parts of it."""
    return copied_tree(network, {}, inside=inside)


def unwrapped(network: nn.Module) -> nn.Module:
    """The network without what only calls it or parts of it; itself where there is nothing of that kind."""
    if all(inside(module) is None for module in network.modules()):
        return network
    held = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return copied_tree(network, held, inside=inside)


def digest_of(network: nn.Module) -> str:
    """sha-256 over the modules with what they say of themselves and hold, and all parameters and buffers.

    The modules count because a stride, an activation or the number of heads is in no parameter, and not
    every module shows them. Addresses of memory, which some modules show, do not.
    """
    content = hashlib.sha256()
    for name, module in network.named_modules():
        told = re.sub(r"\b0x[0-9a-f]+", "", f"{module.extra_repr()} {_held(module)}")
        content.update(f"{name} {type(module).__qualname__} {told}\n".encode())
    for name, tensor in sorted(network.state_dict().items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        content.update(flat.numpy().tobytes())
    return content.hexdigest()


def _held(module: nn.Module) -> str:
    """The plain values and functions that a module holds beside tensors and modules, by name."""
    own = {name: _plain(value) for name, value in vars(module).items() if name not in _OF_EVERY_MODULE}
    return " ".join(f"{name}={text}" for name, text in sorted(own.items()) if text)


def _plain(value: object) -> str:
    """A value as text that is the same in every process; empty where there is none."""
    match value:
        case bool() | int() | float() | complex() | str() | bytes() | None:
            return repr(value)
        case tuple() | list():
            return f"[{','.join(map(_plain, value))}]"
        case types.FunctionType() | types.BuiltinFunctionType():
            return value.__qualname__
        case torch.dtype():
            return str(value)
    return ""
