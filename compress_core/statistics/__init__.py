"""What is derived from a weight once and looked up ever after; one statistic a file.

A statistic is a function whose name is the argument by which a technique asks for it, and whose
own arguments are tensors that the engine supplies by name.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Statistic:
    """A named derivation and what it needs."""

    name: str
    needs: tuple[str, ...]
    function: Callable[..., Any]


_REGISTRY: dict[str, Statistic] = {}


def statistic(function: F) -> F:
    """Register a derivation under its function's name."""
    needs = tuple(inspect.signature(function).parameters)
    _REGISTRY[function.__name__] = Statistic(function.__name__, needs, function)
    return function


@lru_cache(maxsize=1)
def _load_all() -> None:
    for found in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{found.name}")


def statistics() -> Mapping[str, Statistic]:
    """Every statistic by name."""
    _load_all()
    return dict(_REGISTRY)
