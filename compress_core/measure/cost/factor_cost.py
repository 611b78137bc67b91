"""Whether the small layers in the place of one are worth it: weights and multiply-accumulates of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compress_core.apply.model import CompressedLayer, Model
from compress_core.foundation.texts import Phrase


@dataclass(frozen=True)
class FactorCost:
    """A factored layer beside itself as it was; MACs for one item, None where it did not run."""

    layer: str
    rank: int
    weights: int
    weights_before: int
    macs: int | None
    macs_before: int | None

    @property
    def is_no_smaller(self) -> bool:
        """At equal bits for each weight."""
        return self.weights >= self.weights_before

    @property
    def is_slower(self) -> bool:
        """By multiplications: a runtime may be faster or slower than they say."""
        return self.macs is not None and self.macs_before is not None and self.macs > self.macs_before

    @property
    def warning(self) -> Phrase | None:
        """What is wrong with the rank, in one sentence; None where the layer gets smaller and no slower."""
        if not self.is_no_smaller and not self.is_slower:
            return None
        problem = Phrase(
            "{small:,} weights instead of {whole:,}", small=self.weights, whole=self.weights_before
        )
        if self.is_slower:
            slower = Phrase(
                "{small:,} multiplications for an item instead of {whole:,}",
                small=self.macs,
                whole=self.macs_before,
            )
            problem = Phrase("{one} and {other}", one=problem, other=slower) if self.is_no_smaller else slower
        return Phrase(
            "Rank {rank} costs {layer} {problem}: choose a smaller one.",
            rank=self.rank,
            layer=self.layer,
            problem=problem,
        )


def factor_cost(compressed: CompressedLayer) -> FactorCost | None:
    """What the small layers of a factored layer cost; None for a layer that is whole."""
    if compressed.rank is None:
        return None
    layer = compressed.layer
    weights = sum(part.weights for part in compressed.small)
    return FactorCost(layer.name, compressed.rank, weights, layer.weights, compressed.macs, layer.macs)


def factor_warnings(model: Model) -> Iterator[Phrase]:
    """One sentence for each factored layer that got no smaller, or slower."""
    for compressed in model.compressed.values():
        cost = factor_cost(compressed)
        if cost is not None and cost.warning is not None:
            yield cost.warning
