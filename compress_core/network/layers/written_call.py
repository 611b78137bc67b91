"""How a module of torch is written down: as the shortest call that makes it again."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.network.attention import is_hooked

_SKIPPED = frozenset({"self", "device", "dtype", "_weight", "_freeze"})
_COMPOSED = frozenset({nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict})
_OF_EVERY_MODULE = frozenset(vars(nn.Module())) | {"_flat_weights", "_flat_weight_refs"}
_UNKNOWN = inspect.Parameter.empty


@dataclass(frozen=True)
class WrittenCall:
    """A call of a class in torch.nn: values without a name, then values by name."""

    kind: type[nn.Module]
    unnamed: tuple[Any, ...]
    named: tuple[tuple[str, Any], ...]

    def made(self) -> nn.Module:
        """The module that the call makes, without memory for its values."""
        with torch.device("meta"):
            return self.kind(*self.unnamed, **dict(self.named)).eval()

    def shorter(self) -> Iterator[WrittenCall]:
        """The calls with one value left out, or with one number in the place of equal ones."""
        for at, (name, value) in enumerate(self.named):
            rest = self.named[:at], self.named[at + 1 :]
            yield replace(self, named=rest[0] + rest[1])
            if _is_one_number(value):
                yield replace(self, named=(*rest[0], (name, value[0]), *rest[1]))
        for at, value in enumerate(self.unnamed):
            if _is_one_number(value):
                yield replace(self, unnamed=(*self.unnamed[:at], value[0], *self.unnamed[at + 1 :]))


def _is_one_number(value: Any) -> bool:
    return isinstance(value, tuple) and len(set(value)) == 1


@dataclass(frozen=True)
class WrittenModule:
    """A module as text: the call that makes it, and the tensors that it then holds, by their names."""

    call: WrittenCall
    tensors: Mapping[str, Tensor]


def written(module: nn.Module) -> WrittenModule | None:
    """The shortest call that makes a module of the same form, or None where no call of torch.nn does.

    A class of somebody's own, a hook, or a replaced part is more than such a call says. What it says is
    tried: the module that it makes must have the same parts and the same value in every field.
    """
    kind = _class_in_torch(module)
    if kind is None or any(is_hooked(part) or "forward" in vars(part) for part in module.modules()):
        return None
    call = _full_call(kind, module)
    if call is None or not _makes(call, module):
        return None
    while shorter := next((c for c in call.shorter() if _makes(c, module)), None):
        call = shorter
    return WrittenModule(call, {name: _read(module, name) for name in call.made().state_dict()})


def taken_off(module: nn.Module) -> Mapping[int, Any]:
    """What a module does to its unnamed inputs first, taken off it; nothing where its hooks do other things.

    The module is the caller's own.
    """
    hooks = dict(module._forward_pre_hooks)  # noqa: SLF001 - torch offers no other list of them
    if module._forward_pre_hooks_with_kwargs:  # noqa: SLF001
        return {}
    module._forward_pre_hooks.clear()  # noqa: SLF001
    return hooks


def put_back(module: nn.Module, hooks: Mapping[int, Any]) -> None:
    """The reverse of `taken_off`."""
    module._forward_pre_hooks.update(hooks)  # noqa: SLF001


def _class_in_torch(module: nn.Module) -> type[nn.Module] | None:
    """The class of torch.nn that the module is; one whose weight is computed (weight_norm) counts as it."""
    for kind in type(module).__mro__:
        if getattr(nn, kind.__name__, None) is kind:
            return kind if type(module).forward is kind.forward and kind not in _COMPOSED else None
    return None


def _full_call(kind: type[nn.Module], module: nn.Module) -> WrittenCall | None:
    unnamed, named = [], []
    for name, parameter in _parameters_of(kind).items():
        value = _value_of(module, name)
        if value is _UNKNOWN:
            return None
        if parameter.default is inspect.Parameter.empty:
            unnamed.append(value)
        else:
            named.append((name, value))
    return WrittenCall(kind, tuple(unnamed), tuple(named))


def _parameters_of(kind: type[nn.Module]) -> Mapping[str, inspect.Parameter]:
    """The arguments of the class; recurrent ones hide theirs behind *args."""
    parameters = dict(inspect.signature(kind).parameters)
    if issubclass(kind, nn.RNNBase):
        parameters = dict(inspect.signature(nn.RNNBase).parameters)
        del parameters["mode"]
        if kind is not nn.LSTM:
            del parameters["proj_size"]
        if kind is nn.RNN:
            parameters["nonlinearity"] = inspect.Parameter(
                "x", inspect.Parameter.KEYWORD_ONLY, default="tanh"
            )
    return {name: parameter for name, parameter in parameters.items() if name not in _SKIPPED}


def _value_of(module: nn.Module, name: str) -> Any:
    """What an argument was: the modules of torch keep nearly all of them under the same name."""
    match name:
        case _ if isinstance(module, nn.TransformerEncoderLayer):
            return _value_of_transformer_layer(module, name)
        case "bias" if isinstance(module, nn.MultiheadAttention):
            return module.in_proj_bias is not None
        case "bias" if not isinstance(getattr(module, "bias", None), bool):
            return getattr(module, "bias", None) is not None
        case "add_bias_kv":
            return getattr(module, "bias_k", None) is not None
        case _:
            return getattr(module, name, _UNKNOWN)


def _value_of_transformer_layer(module: nn.TransformerEncoderLayer, name: str) -> Any:
    """The layer keeps its parts and forgets what they were made of."""
    attention, first = module.self_attn, module.linear1
    known: dict[str, Any] = {
        "d_model": getattr(attention, "embed_dim", _UNKNOWN),
        "nhead": getattr(attention, "num_heads", _UNKNOWN),
        "dim_feedforward": getattr(first, "out_features", _UNKNOWN),
        "dropout": module.dropout.p,
        "activation": getattr(module.activation, "__name__", _UNKNOWN),
        "layer_norm_eps": getattr(module.norm1, "eps", _UNKNOWN),
        "batch_first": getattr(attention, "batch_first", _UNKNOWN),
        "norm_first": module.norm_first,
        "bias": getattr(first, "bias", None) is not None,
    }
    return known.get(name, _UNKNOWN)


def _read(module: nn.Module, name: str) -> Tensor:
    """A tensor by its dotted name, computed ones included."""
    owner, _, last = name.rpartition(".")
    tensor: Tensor = getattr(module.get_submodule(owner), last)
    return tensor


def _makes(call: WrittenCall, module: nn.Module) -> bool:
    """Whether the call makes a module with the same parts, shapes and values in every plain field."""
    try:
        twin = call.made()
    except (TypeError, ValueError, RuntimeError, AssertionError):
        return False
    theirs, ours = dict(_parts(module)), dict(_parts(twin))
    if theirs.keys() != ours.keys():
        return False
    return all(_same_form(theirs[name], ours[name]) for name in ours)


def _parts(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The module and its parts; those that compute a weight from others are no part of the result."""
    return ((n, part) for n, part in module.named_modules() if "parametrizations" not in n.split("."))


def _same_form(module: nn.Module, twin: nn.Module) -> bool:
    if type(twin) not in type(module).__mro__ or _fields(module) != _fields(twin):
        return False
    own = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
    made = dict(twin.named_parameters(recurse=False)) | dict(twin.named_buffers(recurse=False))
    if not own.keys() <= made.keys() or any(getattr(module, name, None) is None for name in made):
        return False
    return all(
        getattr(module, n).shape == made[n].shape and getattr(module, n).dtype == made[n].dtype for n in made
    )


def _fields(module: nn.Module) -> dict[str, str]:
    """What a module holds beside tensors, parts and hooks, as text."""
    return {name: repr(value) for name, value in vars(module).items() if name not in _OF_EVERY_MODULE}
