"""A preview that follows a slider: it keeps its weights and rewrites only the slices that changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.subject.layers import input_axis, mute_inputs
from compress_core.subject.layers.places import frozen
from compress_core.subject.shrink import IN, Cut, kept_by_side, open_for
from compress_core.subject.skeleton import skeleton_of

_FEW = 8  # rewriting single slices pays while they are less than one in so many,
_RUN = 9  # for slices of so many neighbours in memory; shorter ones pay later


@dataclass(frozen=True, eq=False)
class _Consumer:
    """A weight of the network, our copy of it in which slices are zero, and which ones (a mask)."""

    module: nn.Module
    axis: int
    loud: nn.Parameter
    muted: nn.Parameter
    silent: Tensor

    @classmethod
    def of(cls, module: nn.Module, axis: int) -> _Consumer:
        loud = module.get_parameter("weight")
        muted = frozen(loud.detach().clone())
        module.register_parameter("weight", muted)
        return cls(module, axis, loud, muted, torch.zeros(loud.shape[axis], dtype=torch.bool))

    def silence(self, silent: Tensor) -> None:
        """Zero these slices and bring the others back."""
        turned = (silent ^ self.silent).nonzero().flatten()
        run = min(_RUN, self.loud[(0,) * (self.axis + 1)].numel())
        if len(turned) * _FEW * _RUN > len(silent) * run:
            shape = [-1 if axis == self.axis else 1 for axis in range(self.loud.dim())]
            torch.mul(self.loud, (~silent).to(self.loud.dtype).view(shape), out=self.muted)
        elif len(turned):
            back = turned[~silent[turned]]
            self.muted.index_fill_(self.axis, turned[silent[turned]], 0)
            self.muted.index_copy_(self.axis, back, self.loud.index_select(self.axis, back))
        self.silent.copy_(silent)


class Muted:
    """What `preview` gives, again and again for other cuts of one network with finite weights.

    It belongs to one caller, who is done with what `show` gave before asking anew.
    """

    def __init__(self, network: nn.Module) -> None:
        self._skeleton = skeleton_of(network)
        self._consumers: dict[str, _Consumer] = {}
        self._lent: list[tuple[nn.Module, str, nn.Parameter]] = []

    def show(self, cuts: Iterable[Cut], dropped: Sequence[str] = ()) -> nn.Module:
        """The full-size network in which nobody hears what is cut, and dropped blocks add nothing."""
        with torch.inference_mode(mode=False), torch.no_grad():
            for module, parameter, values in reversed(self._lent):
                setattr(module, parameter, values)
            self._lent.clear()
            kept = kept_by_side(cuts)
            open_for(self._skeleton, kept)
            for name, consumer in self._consumers.items():
                if IN not in kept.get(name, {}):
                    consumer.silence(torch.zeros_like(consumer.silent))
            for name, sides in kept.items():
                if IN in sides:
                    self._mute(name, sides[IN])
            for name in dropped:
                self._drop(name)
        return self._skeleton

    def _mute(self, name: str, kept: Tensor) -> None:
        module = self._skeleton.get_submodule(name)
        axis = input_axis(module)
        if axis is None:
            self._lend(module)
            mute_inputs(module, kept)
            return
        if name not in self._consumers:
            self._consumers[name] = _Consumer.of(module, axis)
        consumer = self._consumers[name]
        consumer.silence(torch.ones_like(consumer.silent).index_fill_(0, kept, value=False))

    def _drop(self, name: str) -> None:
        for part in self._skeleton.get_submodule(name).modules():
            self._lend(part)
            for parameter, values in list(part.named_parameters(recurse=False)):
                setattr(part, parameter, frozen(torch.zeros_like(values)))

    def _lend(self, module: nn.Module) -> None:
        """Remember what a module holds until the next time."""
        self._lent += [(module, name, values) for name, values in module.named_parameters(recurse=False)]
