"""Checks of single modules on what reaches them in one pass: what lies within a module is tried there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.network.course import Course
from compress_core.network.double_casts import try_network
from compress_core.network.forward import Example, tensors_in
from compress_core.structure.group import Group
from compress_core.structure.search_limits import Spent


def module_around(group: Group, course: Course) -> str:
    """The innermost module that holds all members and runs once; the whole network is ''.

    If it answers the same with fewer channels within, so does the network: nobody outside sees more of it.
    """
    paths = [member.module.split(".")[:-1] for member in group.members]
    depth = 0
    while all(len(path) > depth and path[depth] == paths[0][depth] for path in paths):
        depth += 1
    while depth and course.calls.get(".".join(paths[0][:depth])) != 1:
        depth -= 1
    return ".".join(paths[0][:depth])


@dataclass
class Notes:
    """What reaches modules in one pass of a network, as long as it is not more than `left` bytes."""

    left: int
    given: dict[str, Example] = field(default_factory=dict)

    def of(self, network: nn.Module, example: Example, names: Iterable[str]) -> list[Tensor]:
        """Run once and note what reaches the named modules; what the network answers, of any shape."""
        modules = {name: network.get_submodule(name) for name in names}
        hooks = [m.register_forward_pre_hook(self._noting(n), with_kwargs=True) for n, m in modules.items()]
        try:
            with torch.inference_mode():
                return list(tensors_in(try_network(network, example)))
        finally:
            for hook in hooks:
                hook.remove()

    def _noting(self, name: str) -> Callable[..., None]:
        def note(module: nn.Module, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            given = _by_name(module, inputs, kwargs)
            self.left -= _bytes(given)
            if given and self.left >= 0:
                self.given[name] = _cloned(given)

        return note


def charging(spent: Spent, products: int) -> Callable[[int], str | None]:
    """Charge that many multiplications for each pass."""
    return lambda passes: spent.refusal(passes * products)


def _by_name(module: nn.Module, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call as keywords; nothing where they cannot be given so."""
    names = inspect.signature(module.forward).parameters
    first = list(names.values())[: len(inputs)]
    if len(first) < len(inputs) or any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in first):
        return {}
    return dict(zip((p.name for p in first), inputs, strict=True)) | kwargs


def _bytes(given: Mapping[str, Any]) -> int:
    return sum(value.nbytes for value in given.values() if isinstance(value, Tensor))


def _cloned(given: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors of its own, since what follows may write into the network's."""
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in given.items()}
