"""Whether a network really computes the same without some channels: tried with numbers, in float64.

What a library says of a network is a guess. A cut is offered only after the smaller network and the
full-size one with masked inputs gave the same outputs. Of both, a weight is there while its layer runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.foundation.cached import cached_property
from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.network.double_casts import try_network
from compress_core.network.forward import Example, in_short, tensors_in
from compress_core.structure.passing_weights import whenever_it_runs
from compress_core.structure.shrink import ChannelCut, preview, shrink

CLOSE = 1e-9
ANSWER = N_("output layer: its channels are what the network answers")


def _for_nothing(passes: int) -> None:
    """No limit on the number of passes."""


@dataclass(frozen=True, eq=False)
class EquivalenceCheck:
    """A network, or a module of one, with inputs on which cuts are tried.

    within: the module's name and a dot, which the names of cuts begin with; charged: told how many passes
    are about to run, it may answer why they must not.
    """

    network: nn.Module
    example: Example
    within: str = ""
    charged: Callable[[int], str | None] = _for_nothing

    def failure(self, cuts: Sequence[ChannelCut], dropped: Sequence[str] = ()) -> str | None:
        """Why the smaller network is not the masked one; None where they are equal."""
        limit = self.charged(2)
        if limit is not None:
            return limit
        cuts = [ChannelCut(cut.module.removeprefix(self.within), cut.side, cut.kept) for cut in cuts]
        try:
            small = shrink(self.network, cuts, dropped, whenever_it_runs)
        except Refused as refused:
            layer = f"{self.within}{refused.values['layer']}"
            return Phrase("{module}: {reason}", module=layer, reason=_reason_of(refused))
        try:
            got = self._outputs(small)
        except Exception as error:  # noqa: BLE001 - a forward that is not ours may raise anything
            return Phrase(
                "the network counts on what is here and fails without it ({error})", error=in_short(error)
            )
        want = self._outputs(preview(self.network, cuts, dropped, whenever_it_runs))
        return ANSWER if _shapes(got) != _shapes(want) else _difference(got, want)

    def answers_otherwise(self, cuts: Sequence[ChannelCut]) -> bool:
        """Whether the smaller network runs and answers in other shapes than the whole one."""
        if self.charged(1) is not None:
            return False
        try:
            small = shrink(self.network, cuts, edit=whenever_it_runs)
            return _shapes(self._outputs(small)) != self.shapes
        except Exception:  # noqa: BLE001 - what is refused or raised, `failure` tells
            return False

    def _outputs(self, network: nn.Module) -> list[Tensor]:
        with torch.inference_mode():
            return list(tensors_in(try_network(network, self.example)))

    @cached_property
    def shapes(self) -> list[torch.Size]:
        """Of what the whole network answers."""
        return _shapes(self._outputs(self.network))


def _shapes(answers: Sequence[Tensor]) -> list[torch.Size]:
    return [answer.shape for answer in answers]


def _difference(got: Sequence[Tensor], want: Sequence[Tensor]) -> str | None:
    if not all(can_be_compared(t) for t in want):
        return N_("what it answers is not finite, so that nothing can be compared")
    if all(_close(a, b) for a, b in zip(got, want, strict=True)):
        return None
    return N_("fewer channels change more than their own part: something reckons across them")


def can_be_compared(values: Tensor) -> bool:
    """No NaN in values of any shape, and not infinities alone: a mask over answers leaves some."""
    finite = values.isfinite()
    return not bool(values.isnan().any()) and (bool(finite.any()) or not values.numel())


def _reason_of(refused: Refused) -> object:
    return refused.values.get("reason", str(refused))


def _close(got: Tensor, want: Tensor) -> bool:
    if not want.is_floating_point() and not want.is_complex():
        return torch.equal(got, want)
    finite = want[want.isfinite()].abs()
    scale = max(1.0, float(finite.max())) if finite.numel() else 1.0
    return torch.allclose(got, want, rtol=0, atol=CLOSE * scale)
