"""How much each weight matters: what a criterion returns, and what a selection chooses by."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Scores:
    """How much each weight matters, [out, in]; higher stays longer. The engine selects.

    absolute=True says that the score is |values|: nothing is copied, and weights that are their own
    score are pruned in one pass. adds_up: scores of several weights together are their sum, as those of a
    loss are; else it is their squares that add up, as sizes do.
    """

    values: Tensor
    absolute: bool = False
    adds_up: bool = False

    def ranked(self) -> Tensor:
        """The scores themselves [out, in]."""
        return self.values.abs() if self.absolute else self.values

    def powers(self) -> Tensor:
        """What of the scores adds up where several weights go together [out, in] float64."""
        exact = self.values.double()
        return exact if self.adds_up else exact.square()
