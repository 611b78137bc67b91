"""The weights that a quantizer is given: those that pruning keeps, as factoring and pruning left them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress_core.apply.model import Model
from compress_core.foundation.store import Store
from compress_core.measure.tables.prune_rows import weights_now
from compress_core.network.layers.places import read_matrix
from compress_core.numerics.arrays import Floats
from compress_core.numerics.value_bins import ValueBins, value_bins


@dataclass(frozen=True, eq=False)
class QuantizerView:
    """edges [bins + 1]; counts [bins]: the weights of a layer before they are quantized.

    kept_in_bins [bins]: without pruned ones.
    """

    edges: Floats
    counts: NDArray[np.int64]
    kept_in_bins: NDArray[np.int64]

    @property
    def is_pruned(self) -> bool:
        """Whether any weight is not given to the quantizer."""
        return int(self.kept_in_bins.sum()) < int(self.counts.sum())


def quantizer_view(model: Model, layer: str, store: Store) -> QuantizerView:
    """What there is to quantize of a layer, whatever its bits; of a factored one all parts together."""
    compressed = model.compressed.get(layer)
    if compressed is None:
        bins = weights_now(model.base, layer, store)
        return QuantizerView(bins.edges, bins.counts, bins.counts)

    def make() -> QuantizerView:
        before = torch.cat([part.weight.reshape(-1) for part in compressed.encoded])
        stays = [
            torch.ones_like(part.weight, dtype=torch.bool) if part.mask is None else part.mask.tensor
            for part in compressed.encoded
        ]
        bins = _in_bins(before, model, layer, store)
        mask = torch.cat([flags.reshape(-1) for flags in stays]).numpy()
        kept = np.bincount(bins.of[mask & (bins.of >= 0)], minlength=len(bins.counts))
        return QuantizerView(bins.edges, bins.counts, kept)

    return store.get(f"quantizer view:{model.key}:{layer}", make)


def _in_bins(weights: Tensor, model: Model, layer: str, store: Store) -> ValueBins:
    """Weights [n] in bins: those of the base, known from the first recipe on, where nothing changed them."""
    if torch.equal(weights, read_matrix(model.base.network, model.base.layer(layer)).reshape(-1)):
        return weights_now(model.base, layer, store)
    return value_bins(weights.numpy())
