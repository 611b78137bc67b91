"""A network as others call it: its own inputs by name in place of rows, and one tensor as its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from compress_core.network.named_inputs import Border, border_of, inputs_by_name, without_border
from compress_core.network.shared_copy import shared_copy

PREFIX = "network."
"""How the names of a network's tensors begin inside of what calls it by name."""


class CalledByName(nn.Module):
    """Calls a network with its inputs by name, given in their order, and answers with what is judged."""

    def __init__(self, network: nn.Module, border: Border) -> None:
        super().__init__()
        self.network = network
        self.border = border

    def forward(self, *inputs: Tensor) -> Any:
        names = (field.name for field in self.border.fields)
        answered = self.network(**dict(zip(names, inputs, strict=True)))
        return self.border.picked(self.network, (), answered)


@dataclass(frozen=True, eq=False)
class OpenNetwork:
    """A network to be written down, items for each of its inputs [N, ...], and how those are called.

    names: empty where it takes items as they are.
    """

    network: nn.Module
    inputs: tuple[Tensor, ...]
    names: tuple[str, ...] = ()


def opened(network: nn.Module, items: Tensor) -> OpenNetwork:
    """A network that takes rows [N, ...], as one that takes its own inputs; any other as it is."""
    border = border_of(network)
    if border is None or not border.fields or not border.fields[0].name:
        return OpenNetwork(network, (items,))
    inner = without_border(shared_copy(network))
    given = inputs_by_name(border.fields, items)
    return OpenNetwork(CalledByName(inner, border), tuple(given.values()), tuple(given))
