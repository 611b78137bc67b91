"""What is left in a layer: which weights stay, which channels died, how far values moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from compress_core.apply.model import Model
from compress_core.foundation.store import Store
from compress_core.measure.cost.cost import layer_costs
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import read_matrix
from compress_core.selection.select import ThresholdMask
from compress_core.techniques.contract.encoded import EncodedWeight, Zeros


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """One layer before and after, as it is applied: factors are multiplied out.

    before, after [out, in * k]; nonzero [out, in * k] bool; error [out], squared change over squared
    size of each output channel, NaN where a channel had no weight; levels: those of the first row;
    threshold: the smallest size that pruning left, as it was before any rounding.
    """

    layer: Layer
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    nonzero: NDArray[np.bool_]
    zeros: Zeros
    levels: NDArray[np.float32] | None
    threshold: float | None

    @property
    def error(self) -> NDArray[np.float64]:
        """Squared error of each output channel over its squared weights [out]; NaN where all were zero."""
        size = np.square(self.before, dtype=np.float64).sum(axis=1)
        moved = np.square(self.after.astype(np.float64) - self.before).sum(axis=1)
        error: NDArray[np.float64] = np.divide(moved, size, out=np.full_like(size, np.nan), where=size > 0)
        return error


def layer_weights(model: Model, name: str, store: Store) -> LayerWeights:
    """One layer's weights before and after."""
    return store.get(
        f"weights:{model.key}:{name}",
        lambda: _layer_weights(model, name, store),
        lambda w: w.before.nbytes + w.after.nbytes + w.nonzero.nbytes,
    )


def _layer_weights(model: Model, name: str, store: Store) -> LayerWeights:
    layer = model.subject.layer(name)
    before = read_matrix(model.subject.network, layer)
    after = model.values(name)
    cost = next(row for row in layer_costs(model, store) if row.layer.name == name)
    compressed = model.compressed.get(name)
    encoded = compressed.encoded[0] if compressed is not None and not compressed.is_factored else None
    levels = (
        None if encoded is None or encoded.quantized is None else encoded.quantized.levels.levels().numpy()
    )
    return LayerWeights(
        layer, before.numpy(), after.numpy(), (after != 0).numpy(), cost.zeros, levels, _threshold(encoded)
    )


def _threshold(encoded: EncodedWeight | None) -> float | None:
    """The smallest |weight| that stays; None where size did not decide, or nothing is pruned or left."""
    if encoded is None or not isinstance(encoded.mask, ThresholdMask) or not encoded.mask.scores.absolute:
        return None
    if encoded.kept_count in {0, encoded.weight.numel()}:
        return None
    return float(encoded.weight[encoded.mask.tensor].abs().min())


@dataclass(frozen=True, eq=False)
class ChannelSparsity:
    """For each layer: share of zeros in every output channel, and how many channels have no weight."""

    shares: Mapping[str, NDArray[np.float64]]

    @property
    def dead(self) -> NDArray[np.int64]:
        """How many channels of each layer have no weight [layers]."""
        return np.array([int((share == 1).sum()) for share in self.shares.values()])

    @property
    def channels(self) -> NDArray[np.int64]:
        """How many output channels each layer has [layers]."""
        return np.array([len(share) for share in self.shares.values()])


def channel_sparsity(model: Model, store: Store) -> ChannelSparsity:
    """Zeros of every output channel of every layer, of the weights as they are applied."""

    def make() -> ChannelSparsity:
        shares = {
            layer.name: (model.values(layer.name) == 0).to(torch.float64).mean(dim=1).numpy()
            for layer in model.subject.layers
        }
        return ChannelSparsity(shares)

    return store.get(f"channels:{model.key}", make)
