"""The weights that a quantizer is given: those that pruning keeps, as factoring and pruning left them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from compress_core.apply.model import Model
from compress_core.foundation.store import Store
from compress_core.measure.tables.prune_rows import weights_now
from compress_core.numerics.value_bins import ValueBins, kept_in_bins, value_bins


@dataclass(frozen=True, eq=False)
class QuantizerView:
    """bins: the weights of a layer before they are quantized; kept_in_bins [bins]: without pruned ones."""

    bins: ValueBins
    kept_in_bins: NDArray[np.int64]

    @property
    def is_pruned(self) -> bool:
        """Whether any weight is not given to the quantizer."""
        return int(self.kept_in_bins.sum()) < int(self.bins.counts.sum())


def quantizer_view(model: Model, layer: str, store: Store) -> QuantizerView:
    """What there is to quantize of a layer, whatever its bits; of a factored one all parts together."""
    compressed = model.compressed.get(layer)
    if compressed is None:
        bins = weights_now(model.base, layer, store)
        return QuantizerView(bins, bins.counts)

    def make() -> QuantizerView:
        before = torch.cat([part.weight.reshape(-1) for part in compressed.encoded])
        stays = [
            torch.ones_like(part.weight, dtype=torch.bool) if part.mask is None else part.mask.tensor
            for part in compressed.encoded
        ]
        mask = torch.cat([flags.reshape(-1) for flags in stays])
        bins = value_bins(before.numpy())
        return QuantizerView(bins, kept_in_bins(bins, mask.numpy().astype(np.int64), 1)[0])

    return store.get(f"quantizer view:{model.key}:{layer}", make, lambda found: found.bins.of.nbytes)
