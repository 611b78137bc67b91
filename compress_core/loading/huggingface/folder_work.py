"""How much work a network of a folder is for one item, told without its weights and without computing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from compress_core.foundation.errors import Refused
from compress_core.loading.allowance import ON_OWN_MACHINE, RunLimits
from compress_core.network.forward import in_short
from compress_core.subject.input_form import InputForm


def refuse_too_much_work(bare: nn.Module, form: InputForm, allowed: RunLimits) -> None:
    """Refuse a network that would compute more for one item than is allowed.

    bare: the network without memory, of which nothing is computed. On one's own machine nobody asks.
    """
    if allowed is ON_OWN_MACHINE:
        return
    item = (form.fields[0].width,) if form.fields else form.shape
    values, multiplications = _counted(bare.eval(), _given(form))
    if (
        values.largest > allowed.layer_values
        or values.every > _OPERATIONS * allowed.all_values
        or multiplications > allowed.multiplications
    ):
        raise Refused(
            "The network takes {multiplications:,} multiplications for one item of {shape} and {values:,} "
            "values at a time; at most {most:,} and {most_values:,} are computed here. Upload a smaller one, "
            "or open the folder on your own machine.",
            multiplications=multiplications,
            shape=list(item),
            values=values.largest,
            most=allowed.multiplications,
            most_values=allowed.layer_values,
        )


def _given(form: InputForm) -> list[dict[str, Tensor]]:
    """One item without memory, in the ways in which a network may be asked: some look at a mask's values."""
    if not form.fields:
        return [{"pixel_values": torch.zeros(1, *form.shape, device="meta")}]
    words = torch.zeros(1, form.fields[0].width, dtype=torch.long, device="meta")
    return [{"input_ids": words, "attention_mask": torch.ones_like(words)}, {"input_ids": words}]


def _counted(bare: nn.Module, ways: list[dict[str, Tensor]]) -> tuple[_Values, int]:
    """The values and multiplications of an item, asked in the first way that looks at no value."""
    for given in ways:
        values = _Values()
        try:
            with torch.no_grad(), values, FlopCounterMode(display=False) as operations:
                bare(**given)
        except RuntimeError as error:
            reason = error
        else:
            return values, operations.get_total_flops() // 2
    raise Refused(
        "How much the network computes cannot be told before it runs ({reason}): open the folder on your own "
        "machine.",
        reason=in_short(reason),
    )


_OPERATIONS = 8
"""Operations that a layer is made of at most: each makes values of its own."""


class _Values(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives it no types
    """Counts the values that operations give: the most of one, and all."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives it no types
        self.largest, self.every = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for count in (leaf.numel() for leaf in tree_leaves(made) if isinstance(leaf, Tensor)):
            self.largest, self.every = max(self.largest, count), self.every + count
        return made
