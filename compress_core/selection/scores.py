"""How much each weight matters: what a criterion returns, and what a selection chooses by."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Scores:
    """How much each weight matters, [out, in]; higher stays longer. The engine selects.

    absolute=True says that the score is |values|: nothing is copied, and weights that are their own
    score are pruned in one pass.
    """

    values: Tensor
    absolute: bool = False

    def ranked(self) -> Tensor:
        """The scores themselves [out, in]."""
        return self.values.abs() if self.absolute else self.values
