"""Where two runs of the same network begin to differ: the innermost module in which that happens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.network.forward import tensors_in


@dataclass(frozen=True)
class _Moment:
    """A module is called with some values, or answers with some; what is under way then."""

    name: str
    content: bytes
    is_answer: bool
    under_way: tuple[str, ...]


@contextmanager
def _noted(network: nn.Module) -> Iterator[list[_Moment]]:
    moments: list[_Moment] = []
    under_way: list[str] = []

    def starts(name: str) -> Callable[..., None]:
        def note(_: nn.Module, given: object, named: object) -> None:
            content = digest_of_answers((given, named))
            moments.append(_Moment(name, content, is_answer=False, under_way=tuple(under_way)))
            under_way.append(name)

        return note

    def ends(name: str) -> Callable[..., None]:
        def note(_: nn.Module, _given: object, answer: object) -> None:
            del under_way[under_way.index(name) :]
            moments.append(
                _Moment(name, digest_of_answers(answer), is_answer=True, under_way=tuple(under_way))
            )

        return note

    hooks = []
    for name, module in network.named_modules():
        hooks.append(module.register_forward_pre_hook(starts(name), with_kwargs=True))
        hooks.append(module.register_forward_hook(ends(name)))
    try:
        yield moments
    finally:
        for hook in hooks:
            hook.remove()


def digest_of_answers(value: object) -> bytes:
    """A digest of all numbers in a value, to the bit."""
    content = hashlib.sha256()
    for tensor in tensors_in(value):
        content.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        content.update(_bytes_of(tensor))
    return content.digest()


def _bytes_of(tensor: Tensor) -> bytes:
    plain = tensor.detach().cpu().contiguous().reshape(-1)
    return plain.view(torch.uint8).numpy().tobytes()


def where_runs_part(
    one: tuple[nn.Module, Callable[[], object]], other: tuple[nn.Module, Callable[[], object]]
) -> str:
    """The name of the module in whose own code two runs begin to differ; empty for the network itself.

    one, other: a copy of the network, and what runs it; the same copy twice is allowed.
    """
    runs = []
    for network, run in (one, other):
        with _noted(network) as moments:
            run()
        runs.append(tuple(moments))
    for first, second in zip(*runs, strict=False):
        if first != second:
            same_place = first.name == second.name and first.is_answer == second.is_answer
            inside = first.under_way[-1] if first.under_way else ""
            return first.name if same_place and first.is_answer else inside
    return ""
