"""A network may write to what it is given; it is given a copy, so that no item ever moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.network.shared_copy import own_copy


def fresh(example: Any) -> Any:
    """The same values in tensors of their own: an example is a tensor, or several with or without names."""
    if isinstance(example, Tensor):
        return example.clone()
    if isinstance(example, Mapping):
        return {name: fresh(item) for name, item in example.items()}
    return type(example)(map(fresh, example)) if type(example) in {tuple, list} else example


def guarded(network: nn.Module) -> nn.Module:
    """The network itself, which from now on works on copies of what it is given, as do its copies.

    Gradients pass through the copy, and an input that asks for one may be written to.
    """
    if _work_on_copies not in network._forward_pre_hooks.values():  # noqa: SLF001 - asked nowhere else
        network.register_forward_pre_hook(_work_on_copies, with_kwargs=True, prepend=True)
    return network


def _work_on_copies(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
    return fresh(given), fresh(named)


@dataclass(frozen=True)
class RunChanges:
    """What a run changes that is not its own: whether its inputs, and which parameters, by name."""

    inputs: bool
    parameters: tuple[str, ...]


@torch.inference_mode(mode=False)
@torch.no_grad()
def run_changes(network: nn.Module, examples: Iterable[Tensor]) -> RunChanges:
    """What a network changes while it answers these inputs [N, ...]; it is not run itself, a copy is.

    An example on which it does not run tells nothing.
    """
    copy = own_copy(network)
    writes = [_writes_to(copy, example.clone()) for example in examples]
    after = dict(copy.named_parameters())
    changed = (
        name
        for name, parameter in network.named_parameters()
        if name not in after or not _is_same(parameter, after[name])
    )
    return RunChanges(any(writes), tuple(changed))


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Equal to the bit, NaN as well."""
    return one.shape == other.shape and torch.equal(_bytes(one.detach()), _bytes(other.detach()))


def _writes_to(network: nn.Module, given: Tensor) -> bool:
    before, kept = _looks(given), given.clone()
    with suppress(Exception, SystemExit):  # that it does not run is said elsewhere
        network(given)
    return _looks(given) != before or not torch.equal(_bytes(given), _bytes(kept))


def _looks(tensor: Tensor) -> tuple[object, ...]:
    """Where a tensor lies, in which form, and how often it was written to."""
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor._version  # noqa: SLF001 - no other name


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)
