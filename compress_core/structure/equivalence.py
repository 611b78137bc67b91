"""Whether a network really computes the same without some channels: tried with numbers, in float64.

What a library says of a network is a guess. A cut is offered only after the smaller network and the
full-size one with masked inputs gave the same outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.foundation.cached import cached_property
from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.network.forward import Example, in_short, run_network, takes, tensors_in
from compress_core.structure.shrink import ChannelCut, kept_by_side, preview, shrink, side_of

CLOSE = 1e-9


@dataclass(frozen=True, eq=False)
class EquivalenceCheck:
    """A network with inputs on which cuts are tried."""

    network: nn.Module
    example: Example

    def failure(self, cuts: Sequence[ChannelCut], dropped: Sequence[str] = ()) -> str | None:
        """Why the smaller network is not the masked one; None where they are equal."""
        try:
            small = shrink(self.network, cuts, dropped)
        except Refused as refused:
            return Phrase("{module}: {reason}", module=refused.values["layer"], reason=_reason_of(refused))
        for module, sides in kept_by_side(cuts).items():
            if any(side_of(small, module, side) != len(kept) for side, kept in sides.items()):
                return Phrase("{module}: did not get smaller", module=module)
        try:
            got = self._outputs(small)
        except Exception as error:  # noqa: BLE001 - a forward that is not ours may raise anything
            return Phrase(
                "the network counts on what is here and fails without it ({error})", error=in_short(error)
            )
        if [t.shape for t in got] != self._shapes:
            return N_("output layer: its channels are what the network answers")
        return _difference(got, self._outputs(preview(self.network, cuts, dropped)))

    def _outputs(self, network: nn.Module) -> list[Tensor]:
        with torch.inference_mode():
            return list(tensors_in(run_network(network, self.example)))

    @cached_property
    def _shapes(self) -> list[torch.Size]:
        return [t.shape for t in self._outputs(self.network)]


def _difference(got: Sequence[Tensor], want: Sequence[Tensor]) -> str | None:
    if not all(bool(t.isfinite().all()) for t in want):
        return N_("what it answers is not finite, so that nothing can be compared")
    if all(_close(a, b) for a, b in zip(got, want, strict=True)):
        return None
    return N_("fewer channels change more than their own part: something reckons across them")


def equivalence_check(network: nn.Module, *examples: Example) -> EquivalenceCheck:
    """A check on the first example that the network takes, the last in any case."""
    return EquivalenceCheck(network, next((e for e in examples[:-1] if takes(network, e)), examples[-1]))


def _reason_of(refused: Refused) -> object:
    return refused.values.get("reason", str(refused))


def _close(got: Tensor, want: Tensor) -> bool:
    if not want.is_floating_point():
        return torch.equal(got, want)
    scale = max(1.0, float(want.abs().max())) if want.numel() else 1.0
    return torch.allclose(got, want, rtol=0, atol=CLOSE * scale)
