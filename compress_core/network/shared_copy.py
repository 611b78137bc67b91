"""A copy of a network's module tree that shares every parameter and buffer with the original."""

from __future__ import annotations

import copy
import hashlib
import itertools
import re
import types
from collections import OrderedDict
from typing import Any

import torch
from torch import nn

_SHARED = frozenset(
    {type(None), bool, int, float, str, torch.Size, torch.dtype, torch.device,
     types.FunctionType, types.BuiltinFunctionType}
)  # fmt: skip
_COLLECTIONS = frozenset({OrderedDict, set, list})
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
_OWN_WAYS = ("__deepcopy__", "__reduce__", "__reduce_ex__", "__getstate__")


def shared_copy(network: nn.Module) -> nn.Module:
    """Modules copied, tensors shared: hooks and replaced layers are the copy's own.

    Buffers are shared because nothing here runs in training mode. What modules hold beside tensors and
    modules is copied as copy.deepcopy does, which is too slow for the modules themselves.
    """
    memo: dict[int, Any] = {id(t): t for t in itertools.chain(network.parameters(), network.buffers())}
    modules = list(network.modules())
    if any(_copies_itself(type(module)) for module in modules):
        return copy.deepcopy(network, memo)
    for module in modules:
        memo[id(module)] = type(module).__new__(type(module))
    for module in modules:
        vars(memo[id(module)]).update({name: _copied(value, memo) for name, value in vars(module).items()})
    skeleton: nn.Module = memo[id(network)]
    return skeleton


def _copies_itself(kind: type[nn.Module]) -> bool:
    """Whether a class says in its own way how it is copied (parametrized modules, traced graphs)."""
    return any(getattr(kind, way, None) is not getattr(nn.Module, way, None) for way in _OWN_WAYS)


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    if id(value) in memo:
        return memo[id(value)]
    if type(value) in _SHARED:
        return value
    if type(value) in _COLLECTIONS and not value:
        memo[id(value)] = type(value)()
    elif type(value) is dict:
        memo[id(value)] = {}
        memo[id(value)].update({name: _copied(item, memo) for name, item in value.items()})
    else:
        memo[id(value)] = copy.deepcopy(value, memo)
    return memo[id(value)]


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
