"""The tables in which a network looks its words up."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def has_tables(network: nn.Module) -> bool:
    """Whether a network looks up any words."""
    return any(isinstance(module, nn.Embedding) for module in network.modules())


def tables_reading(network: nn.Module, rows: Tensor, words: Tensor) -> tuple[str, ...]:
    """The names of the tables that are given exactly these words [N, T] when a network reads rows [N, R].

    The caller owns the network.
    """
    found: list[str] = []
    hooks = [
        module.register_forward_pre_hook(_noting(name, words, found), with_kwargs=True)
        for name, module in network.named_modules()
        if isinstance(module, nn.Embedding) and name
    ]
    try:
        with torch.no_grad():
            network(rows)
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(dict.fromkeys(found))


def is_given(words: Tensor, given: tuple[object, ...], named: dict[str, object]) -> bool:
    """Whether a module is called with exactly these words [n, t]."""
    first = next(iter((*given, *named.values())), None)
    return (
        isinstance(first, Tensor) and first.shape == words.shape and torch.equal(first, words.to(first.dtype))
    )


def _noting(name: str, words: Tensor, found: list[str]) -> Callable[..., None]:
    def note(_module: nn.Module, given: tuple[object, ...], named: dict[str, object]) -> None:
        if is_given(words, given, named):
            found.append(name)

    return note
