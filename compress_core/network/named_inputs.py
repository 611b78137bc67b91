"""A network that takes several inputs by name, or answers with several tensors, behind one tensor a batch.

Items are rows: all inputs of an item one after the other in one tensor, so that whatever goes through items
(batches, calibration, replay, digests) knows one kind of them. What stands at the border of the network takes
a batch of rows apart, and takes from its answer the tensor that is judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.network.input_field import InputField, is_whole


@dataclass(frozen=True)
class Border:
    """How rows become the inputs of a network, and its answer the tensor that is judged.

    fields: its inputs by name, in the order in which they stand in a row; none where the rows are what it
    takes. answer: the name or the place of a tensor among several, empty where it answers with one.
    """

    fields: tuple[InputField, ...] = ()
    answer: str = ""

    def taken_apart(self, _: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
        """What a network is called with instead of a batch of rows."""
        return ((), inputs_by_name(self.fields, given[0])) if given else (given, named)

    def picked(self, _module: nn.Module, _given: tuple[Any, ...], answered: Any) -> Any:
        """The tensor that is judged, out of what a network answered."""
        return answered if isinstance(answered, Tensor) else answer_named(answered, self.answer)


def row_type(fields: Sequence[InputField]) -> torch.dtype:
    """The type of rows: whole numbers stay whole, unless real ones stand beside them."""
    return torch.int64 if is_whole(fields) else torch.float32


def inputs_by_name(fields: Sequence[InputField], rows: Tensor) -> dict[str, Tensor]:
    """Rows [N, numbers of all fields] as the inputs of a network [N, *shape], each in its type."""
    parts = torch.split(rows, [field.width for field in fields], dim=1)
    return {
        field.name: _in_type(part.reshape(len(part), *field.shape), field)
        for field, part in zip(fields, parts, strict=True)
    }


def _in_type(values: Tensor, field: InputField) -> Tensor:
    match field.kind:
        case "real":
            return values if values.is_floating_point() else values.float()
        case "whole":
            return values.long()
        case "truth":
            return values.bool()


def answer_named(answered: Any, name: str) -> Any:
    """The tensor of that name or place in what a network answered; None where it has none such."""
    if dataclasses.is_dataclass(answered) and not isinstance(answered, Mapping | type):
        return getattr(answered, name, None)
    if isinstance(answered, Mapping):
        return answered.get(name)
    if isinstance(answered, list | tuple) and name.isdecimal() and int(name) < len(answered):
        return answered[int(name)]
    return None


def with_border(network: nn.Module, border: Border) -> nn.Module:
    """The network itself, which from now on takes rows and answers with one tensor, as do its copies."""
    if border.fields and border.fields[0].name:
        network.register_forward_pre_hook(border.taken_apart, with_kwargs=True)
    if border.answer:
        network.register_forward_hook(border.picked)
    return network


def border_of(network: nn.Module) -> Border | None:
    """What stands at the border of a network; None where it takes items as they are."""
    before, after = network._forward_pre_hooks, network._forward_hooks  # noqa: SLF001 - no other way
    hooks = (*before.values(), *after.values())
    held = (getattr(hook, "__self__", None) for hook in hooks)
    return next((owner for owner in held if isinstance(owner, Border)), None)


def without_border(network: nn.Module) -> nn.Module:
    """The network itself, which from now on takes its inputs by name and answers as it was written."""
    for hooks in (network._forward_pre_hooks, network._forward_hooks):  # noqa: SLF001 - no other way
        ours = [key for key, hook in hooks.items() if isinstance(getattr(hook, "__self__", None), Border)]
        for key in ours:
            del hooks[key]
            network._forward_pre_hooks_with_kwargs.pop(key, None)  # noqa: SLF001 - no other way
    return network


def blank_rows(fields: Sequence[InputField]) -> Tensor:
    """One row [1, ...] of inputs without content."""
    parts = [torch.full((1, field.width), field.blank, dtype=row_type(fields)) for field in fields]
    return torch.cat(parts, dim=1)


def drawn_rows(fields: Sequence[InputField], count: int, generator: torch.Generator) -> Tensor:
    """Rows [count, ...] of random inputs that a network may be given: truth values are all at their blank."""
    parts = [_drawn(field, count, generator).to(row_type(fields)) for field in fields]
    return torch.cat(parts, dim=1)


def _drawn(field: InputField, count: int, generator: torch.Generator) -> Tensor:
    shape = (count, field.width)
    if field.kind == "real":
        return torch.randn(shape, generator=generator)
    if field.kind == "truth" or field.values <= 2:
        return torch.full(shape, field.blank)
    return torch.randint(0, field.values, shape, generator=generator)
