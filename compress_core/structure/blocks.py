"""Blocks that can be left out whole: with all their parameters zero they return what they got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.network.forward import Example, run_network
from compress_core.network.layers.cut import is_producer
from compress_core.network.layers.places import frozen
from compress_core.network.shared_copy import shared_copy


def find_blocks(
    network: nn.Module, example: Example, among: Collection[str] | None = None
) -> tuple[str, ...]:
    """The innermost modules that pass their input on bit for bit when all their parameters are zero.

    Tried on what really reaches them, so relu(x + f(x)) counts where x is never negative. among: the only
    ones to try; None for all.
    """
    trial = _Trial()
    hooks = [
        module.register_forward_hook(trial.hook(name), with_kwargs=True)
        for name, module in network.named_modules()
        if (name if among is None else name in among)
        and not is_producer(module)
        and any(True for _ in module.parameters())
    ]
    try:
        with torch.no_grad():
            run_network(network, example)
    finally:
        for hook in hooks:
            hook.remove()
    found = [name for name in trial.passing if trial.calls[name] == 1]
    return tuple(n for n in found if not any(other.startswith(f"{n}.") for other in found))


class _Trial:
    """Tries each module right after it ran, so that nothing of the pass has to be kept."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.passing: list[str] = []
        self.trying = False

    def hook(self, name: str) -> Any:
        def attempt(
            module: nn.Module, inputs: tuple[Any, ...], kwargs: dict[str, Any], output: object
        ) -> None:
            given = inputs[0] if inputs else None
            alike = isinstance(given, Tensor) and isinstance(output, Tensor) and given.shape == output.shape
            if self.trying or not alike:
                return
            self.calls[name] += 1
            if self.calls[name] == 1:
                self.trying = True  # the silent copy has these hooks too
                if _passes(module, inputs, kwargs):
                    self.passing.append(name)
                self.trying = False

        return attempt


def _passes(module: nn.Module, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a silent copy of a module answers its first input; what it writes to are copies."""
    silent = shared_copy(module)
    for part in silent.modules():
        for parameter, values in list(part.named_parameters(recurse=False)):
            setattr(part, parameter, frozen(values.new_zeros(()).expand(values.shape)))
    try:
        given, named = deepcopy((inputs, kwargs))
        answer = silent(*given, **named)
    except Exception:  # noqa: BLE001 - a forward that is not ours may raise anything
        return False
    return isinstance(answer, Tensor) and torch.equal(answer, inputs[0])
