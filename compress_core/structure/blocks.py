"""Blocks that can be left out whole: with all their parameters zero they return what they got."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.network.forward import Example, run_network
from compress_core.network.shared_copy import shared_copy

_Calls = Mapping[str, list[tuple[tuple[Any, ...], dict[str, Any], object]]]


def find_blocks(network: nn.Module, example: Example) -> tuple[str, ...]:
    """The innermost modules that pass their input on bit for bit when all their parameters are zero.

    Tried on what really reaches them, so relu(x + f(x)) counts where x is never negative.
    """
    calls = _noted(network, example)
    found = [name for name, noted in calls.items() if len(noted) == 1 and _passes(network, name, *noted[0])]
    return tuple(n for n in found if not any(other.startswith(f"{n}.") for other in found))


def _noted(network: nn.Module, example: Example) -> _Calls:
    """Every call of a module with parameters that answers in the shape it was asked in."""
    calls: defaultdict[str, list[tuple[tuple[Any, ...], dict[str, Any], object]]] = defaultdict(list)

    def noting(name: str) -> Any:
        def note(_: nn.Module, inputs: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
            given = inputs[0] if inputs else None
            if isinstance(given, Tensor) and isinstance(output, Tensor) and given.shape == output.shape:
                calls[name].append((inputs, kwargs, output))

        return note

    hooks = [
        module.register_forward_hook(noting(name), with_kwargs=True)
        for name, module in network.named_modules()
        if name and any(True for _ in module.parameters())
    ]
    try:
        with torch.no_grad():
            run_network(network, example)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _passes(
    network: nn.Module, name: str, inputs: tuple[Any, ...], kwargs: dict[str, Any], _: object
) -> bool:
    silent = shared_copy(network.get_submodule(name))
    with torch.no_grad():
        for module in silent.modules():
            for parameter, values in list(module.named_parameters(recurse=False)):
                setattr(module, parameter, nn.Parameter(torch.zeros_like(values), requires_grad=False))
        answer = silent(*inputs, **kwargs)
    return isinstance(answer, Tensor) and torch.equal(answer, inputs[0])
