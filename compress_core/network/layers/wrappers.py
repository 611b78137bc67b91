"""What stands around a network and only calls it, and what stands in its place and has no layers to reach."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from compress_core.foundation.errors import Refused

_AROUND = (nn.DataParallel, nn.parallel.DistributedDataParallel)
_QUANTIZED = ("torch.ao.nn.quantized.", "torch.ao.nn.intrinsic.quantized.", "torch.nn.quantized.")


def inside(module: nn.Module) -> nn.Module | None:
    """The network that a module only calls, on several devices or compiled; None for any other module."""
    if isinstance(module, _AROUND):
        found: nn.Module = module.module
        return found
    compiled = type(module).__module__.startswith("torch._dynamo.")
    return module._modules["_orig_mod"] if compiled else None  # noqa: SLF001 - its state dict shows the name


def refuse_without_layers(network: nn.Module, name: str) -> None:
    """Raises Refused for a network that is no Python any more, or whose weights are not there."""
    for part, module in network.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise Refused(
                "{name} was scripted or traced by torch.jit, so that its layers cannot be reached: give the "
                "Python network that it was made of.",
                name=f"{name}.{part}" if part else name,
            )
    if hasattr(network, "range_constraints") and hasattr(network, "graph"):
        raise Refused(
            "{name} was made by torch.export for inputs of certain shapes, and its layers are single "
            "operations: give the Python network that it was made of.",
            name=name,
        )
    for part, module in network.named_modules():
        _refuse_without_weights(part, module, name)


def _refuse_without_weights(part: str, module: nn.Module, name: str) -> None:
    if f"{type(module).__module__}.".startswith(_QUANTIZED):
        raise Refused(
            "{name} is quantized already, {layer} is a {kind} of torch.ao: give the network in floating "
            "point that it was made of.",
            name=name,
            layer=part,
            kind=type(module).__name__,
        )
    held = list(_own_tensors(module))
    if any(map(is_lazy, held)):
        raise Refused(
            "{layer} of {name} has no weights yet, since it is lazy: run the network once on an item and "
            "load trained weights into it.",
            layer=part or type(module).__name__,
            name=name,
        )
    if any(tensor.is_meta for tensor in held):
        raise Refused(
            "{layer} of {name} holds no values, since it lies on the meta device: load trained weights "
            "into it.",
            layer=part or type(module).__name__,
            name=name,
        )


def _own_tensors(module: nn.Module) -> Iterator[Tensor]:
    return itertools.chain(module.parameters(recurse=False), module.buffers(recurse=False))
