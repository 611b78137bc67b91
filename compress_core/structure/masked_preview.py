"""A preview that follows a slider: it keeps its weights and rewrites only the slices that changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.network.layers.cut import input_axis, mask_inputs
from compress_core.network.layers.places import frozen
from compress_core.network.layers.side import Side
from compress_core.network.shared_copy import shared_copy
from compress_core.structure.shrink import ChannelCut, kept_by_side, open_for


@dataclass(frozen=True, eq=False)
class _Consumer:
    """A weight of the network and our copy of it in which some slices are zero.

    loud and masked are [slices, values of one slice], so that a slice lies together in memory; the module
    reads masked as a view of its own shape. silent: which slices are zero (a mask).
    """

    loud: Tensor
    masked: Tensor
    silent: Tensor

    @classmethod
    def of(cls, module: nn.Module, axis: int) -> _Consumer:
        weight = module.get_parameter("weight").detach().movedim(axis, 0)
        loud = weight.flatten(1).contiguous()
        masked = loud.clone()
        module.register_parameter("weight", frozen(masked.view(weight.shape).movedim(0, axis)))
        return cls(loud, masked, torch.zeros(len(loud), dtype=torch.bool))

    def silence(self, silent: Tensor, scratch: Tensor) -> None:
        """Zero these slices and bring the others back; scratch holds as many values as there are."""
        lost, back = (silent > self.silent).nonzero().flatten(), (silent < self.silent).nonzero().flatten()
        if len(lost):
            self.masked.index_fill_(0, lost, 0)
        if len(back):
            values = scratch[: len(back) * self.loud.shape[1]].view(len(back), -1)
            self.masked.index_copy_(0, back, torch.index_select(self.loud, 0, back, out=values))
        self.silent.copy_(silent)


class MaskedPreview:
    """What `preview` gives, again and again for other cuts of one network with finite weights.

    It belongs to one caller, who is done with what `show` gave before asking anew. It holds what it mutes
    twice: as it was and as it is shown, slices first.
    """

    def __init__(self, network: nn.Module) -> None:
        self._skeleton = shared_copy(network)
        self._consumers: dict[str, _Consumer] = {}
        self._lent: list[tuple[nn.Module, str, nn.Parameter]] = []
        self._scratch = torch.empty(0)

    def show(self, cuts: Iterable[ChannelCut], dropped: Sequence[str] = ()) -> nn.Module:
        """The full-size network in which nobody hears what is cut, and dropped blocks add nothing."""
        with torch.inference_mode(mode=False), torch.no_grad():
            for module, parameter, values in reversed(self._lent):
                setattr(module, parameter, values)
            self._lent.clear()
            kept = kept_by_side(cuts)
            open_for(self._skeleton, kept)
            for name, consumer in self._consumers.items():
                if Side.IN not in kept.get(name, {}):
                    consumer.silence(torch.zeros_like(consumer.silent), self._scratch)
            for name, sides in kept.items():
                if Side.IN in sides:
                    self._mask_inputs(name, sides[Side.IN])
            for name in dropped:
                self._drop(name)
        return self._skeleton

    def _mask_inputs(self, name: str, kept: Tensor) -> None:
        module = self._skeleton.get_submodule(name)
        axis = input_axis(module)
        if axis is None:
            self._lend(module)
            mask_inputs(module, kept)
            return
        if name not in self._consumers:
            made = self._consumers[name] = _Consumer.of(module, axis)
            if made.loud.numel() > len(self._scratch):
                self._scratch = torch.empty_like(made.loud).flatten()
        consumer = self._consumers[name]
        silent = torch.ones_like(consumer.silent).index_fill_(0, kept, value=False)
        consumer.silence(silent, self._scratch)

    def _drop(self, name: str) -> None:
        for part in self._skeleton.get_submodule(name).modules():
            self._lend(part)
            for parameter, values in list(part.named_parameters(recurse=False)):
                setattr(part, parameter, frozen(torch.zeros_like(values)))

    def _lend(self, module: nn.Module) -> None:
        """Remember what a module holds until the next time."""
        self._lent += [(module, name, values) for name, values in module.named_parameters(recurse=False)]
