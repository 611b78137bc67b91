"""What is derived from a weight once and looked up ever after; one statistic a file.

A statistic is a function whose name is the argument by which a technique asks for it, and whose
own arguments are tensors that the engine supplies by name.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])


class RunningSum(Protocol):
    """What adds up over the batches that a layer reads; it keeps none of them."""

    @staticmethod
    def nbytes(groups: int, columns: int) -> int:
        """What the sum takes for a layer of so many groups and inputs times positions of its kernel."""
        ...

    def add(self, batch: Tensor) -> None:
        """Hear one more batch [groups, positions, in * k]; it may be a view of what others will write to."""
        ...

    def told(self) -> Tensor:
        """What all batches together say; any shape."""
        ...


@dataclass(frozen=True)
class Statistic:
    """A named derivation and what it needs; running_sum: how it adds up, if it needs inputs alone."""

    name: str
    needs: tuple[str, ...]
    function: Callable[..., Any]
    running_sum: type[RunningSum] | None = None


_REGISTRY: dict[str, Statistic] = {}


def statistic(function: F) -> F:
    """Register a derivation under its function's name."""
    return _registered(function, None)


def adds_up(running_sum: type[RunningSum]) -> Callable[[F], F]:
    """Register a derivation from batches of inputs alone, of which several layers may hear one pass."""
    return lambda function: _registered(function, running_sum)


def _registered(function: F, running_sum: type[RunningSum] | None) -> F:
    needs = tuple(inspect.signature(function).parameters)
    assert running_sum is None or len(needs) == 1, f"{function.__name__} needs more than what a layer reads"
    _REGISTRY[function.__name__] = Statistic(function.__name__, needs, function, running_sum)
    return function


def added_up(total: RunningSum, inputs: Iterable[Tensor]) -> Tensor:
    """What batches [groups, positions, in * k] say together; any shape."""
    for batch in inputs:
        total.add(batch)
    return total.told()


@lru_cache(maxsize=1)
def _load_all() -> None:
    for found in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{found.name}")


def statistics() -> Mapping[str, Statistic]:
    """Every statistic by name."""
    _load_all()
    return dict(_REGISTRY)
