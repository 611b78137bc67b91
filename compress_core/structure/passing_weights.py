"""Layers whose weights are made whenever they run: of a network that is cut, one of them is there at a time.

What a layer reads within its own forward is made for it and let go behind it. Whoever else reads it, such as
a module that takes the weight of another one, may write to it as well: from then on it stays.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import torch
from torch import nn

from compress_core.network.layers.cut import reads_its_own_weight
from compress_core.network.layers.places import frozen
from compress_core.network.shared_copy import shared_copy

_FEWEST_VALUES = 2**12  # what is smaller is not worth the trouble

ModuleChange = Callable[[nn.Module], None]
_Held = MutableMapping[str, nn.Parameter | None]


def whenever_it_runs(module: nn.Module, change: ModuleChange) -> None:
    """Change a module that belongs to a skeleton; what is large of it is kept by nobody.

    change: gives the module other parameters, always the same ones, and writes to none of those it has.
    """
    is_small = sum(values.numel() for values in module.parameters()) < _FEWEST_VALUES
    if is_small or not reads_its_own_weight(module):
        change(module)
        return
    before = shared_copy(module)
    for name, values in before.named_parameters(recurse=False):
        setattr(module, name, frozen(torch.zeros((), dtype=torch.bool).expand(values.shape)))
    change(module)  # what it counts, such as its channels; torch's device without values imports its compiler

    def make() -> dict[str, nn.Parameter | None]:
        made = shared_copy(before)
        change(made)
        return dict(vars(made)["_parameters"])

    passing = _PassingParameters(module, make)
    vars(module).update(_parameters=passing, forward=_PassingForward(module, passing))


class _PassingForward:
    """The forward of a layer, with parameters that are gone behind it; it does not keep the layer alive."""

    def __init__(self, module: nn.Module, passing: _PassingParameters) -> None:
        self._module, self._passing = weakref.ref(module), passing

    def __call__(self, *given: Any, **named: Any) -> Any:
        module = self._module()
        assert module is not None, "a layer runs"
        with self._passing:
            return type(module).forward(module, *given, **named)

    def __deepcopy__(self, memo: dict[int, Any]) -> _PassingForward:
        """That of the copy of its layer, which is being made."""
        return _PassingForward(memo[id(self._module())], copy.deepcopy(self._passing, memo))


class _PassingParameters(_Held):
    """The parameters of a module by name, as torch looks for them; made by `make` for whoever asks."""

    def __init__(self, module: nn.Module, make: Callable[[], dict[str, nn.Parameter | None]]) -> None:
        self._names, self._make = tuple(vars(module)["_parameters"]), make
        self._held: dict[str, nn.Parameter | None] | None = None
        self._is_running, self._stays = False, False

    def __enter__(self) -> None:
        self._is_running = True

    def __exit__(self, *_: object) -> None:
        self._is_running = False
        if not self._stays:
            self._held = None

    def _now(self) -> dict[str, nn.Parameter | None]:
        self._stays |= not self._is_running
        if self._held is None:
            self._held = self._make()
        return self._held

    def __getitem__(self, name: str) -> nn.Parameter | None:
        return self._now()[name]

    def __setitem__(self, name: str, values: nn.Parameter | None) -> None:
        self._stays = True
        self._now()[name] = values

    def __delitem__(self, name: str) -> None:
        self._stays = True
        del self._now()[name]

    def __contains__(self, name: object) -> bool:
        return name in (self._names if self._held is None else self._held)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names if self._held is None else tuple(self._held))

    def __len__(self) -> int:
        return len(self._names if self._held is None else self._held)
