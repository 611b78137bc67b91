"""What is left in a layer: which weights stay, which channels died, how far values moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from compress_core.apply.model import CompressedLayer, Model
from compress_core.foundation.cached import cached_property
from compress_core.foundation.store import Store
from compress_core.foundation.texts import Phrase
from compress_core.measure.tables.weight_notes import weight_notes
from compress_core.network.layers.factors import multiplied_out
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import read_matrix
from compress_core.selection.select import ThresholdMask
from compress_core.techniques.contract.encoded import EncodedWeight, Zeros


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """One layer before and after, as it is applied: factors are multiplied out.

    before, after, reference [out, in * k], as large as loaded; present: which of them were not cut out;
    reference: what the steps on weights began with, after preparations and cuts, 0 where it was cut out.
    zeros: those among `after[present]` by origin; levels: those of the first row; threshold: the smallest
    size that pruning left, as it was before any rounding; rank: of the narrowest factor, None for a whole
    layer; notes: what to know before looking at figures of it.
    """

    layer: Layer
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    reference: NDArray[np.float32]
    present: NDArray[np.bool_]
    zeros: Zeros
    levels: NDArray[np.float32] | None
    threshold: float | None
    rank: int | None
    notes: tuple[Phrase, ...]

    @property
    def nonzero(self) -> NDArray[np.bool_]:
        """Which weights are not zero [out, in * k]; a weight that is NaN is none."""
        found: NDArray[np.bool_] = self.after != 0
        return found

    @property
    def is_left_out(self) -> bool:
        """Whether nothing of the layer is there any more, since its block was dropped."""
        return self.cut == self.present.size

    @cached_property
    def cut(self) -> int:
        """How many of its weights were cut out with their channels."""
        return int(self.present.size - np.count_nonzero(self.present))

    @property
    def left(self) -> int:
        """How many of its weights are still there."""
        return self.present.size - self.cut

    @property
    def error(self) -> NDArray[np.float64]:
        """Squared change by the steps on weights over the squared weights of each output channel [out].

        NaN where there is nothing to compare with: cut out, all zero, or holding a value that is not finite.
        """
        size = np.square(self.reference, dtype=np.float64).sum(axis=1)
        change = np.full(self.after.shape, np.nan)
        np.subtract(self.after, self.reference, out=change, where=self._is_finite, dtype=np.float64)
        moved = np.square(change).sum(axis=1)
        error: NDArray[np.float64] = np.divide(moved, size, out=np.full_like(size, np.nan), where=size > 0)
        return error

    @property
    def _is_finite(self) -> NDArray[np.bool_]:
        return np.isfinite(self.reference) & np.isfinite(self.after)


def layer_weights(model: Model, name: str, store: Store) -> LayerWeights:
    """One layer's weights before and after."""
    return store.get(
        f"weights:{model.key}:{name}",
        lambda: _layer_weights(model, name),
        lambda w: w.before.nbytes + w.after.nbytes + w.reference.nbytes + w.present.nbytes,
    )


def _layer_weights(model: Model, name: str) -> LayerWeights:
    layer = model.subject.layer(name)
    before = read_matrix(model.subject.network, layer).numpy()
    after = model.values(name).numpy()
    present, reference = _as_cut(model, layer, before)
    compressed = model.compressed.get(name)
    encoded = compressed.encoded[0] if compressed is not None and not compressed.is_factored else None
    quantized = None if encoded is None else encoded.quantized
    return LayerWeights(
        layer,
        before,
        after,
        reference,
        present,
        _zeros_of(after[present], compressed),
        None if quantized is None else quantized.levels.levels().numpy(),
        _threshold(encoded),
        None if compressed is None else compressed.rank,
        weight_notes(name, before),
    )


def _as_cut(
    model: Model, layer: Layer, before: NDArray[np.float32]
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Which weights [out, in * k] are still there, and what the steps on weights began with."""
    small = model.base.by_name.get(layer.name)
    if model.base is model.subject:
        return np.ones(before.shape, bool), before
    if small is None:
        return np.zeros(before.shape, bool), np.zeros_like(before)
    matrix, spread = read_matrix(model.base.network, small), model.base.structure.spread
    ones = spread(model.subject.network, layer, small, torch.ones_like(matrix))
    return (ones != 0).numpy(), spread(model.subject.network, layer, small, matrix).numpy()


def _zeros_of(after: NDArray[np.float32], compressed: CompressedLayer | None) -> Zeros:
    """Zeros among the weights that a layer applies, by origin; those of a factored one in its product."""
    if compressed is not None and not compressed.is_factored:
        return compressed.encoded[0].zeros
    zero = int(np.count_nonzero(after == 0))
    if compressed is None:
        return Zeros(0, 0, zero)
    if all(encoded.mask is None for encoded in compressed.encoded):
        pruned = 0
    else:
        kernels = [replace(e, quantized=None).values.view(p.kernel_shape) for p, e in compressed.parts]
        pruned = int((multiplied_out(compressed.layer, kernels) == 0).count_nonzero())
    quantized = zero - pruned if any(e.quantized is not None for e in compressed.encoded) else 0
    return Zeros(min(pruned, zero), max(0, quantized), max(0, zero - pruned - quantized))


def _threshold(encoded: EncodedWeight | None) -> float | None:
    """The smallest |weight| that stays; None where size did not decide, or nothing is pruned or left."""
    if encoded is None or not isinstance(encoded.mask, ThresholdMask) or not encoded.mask.scores.absolute:
        return None
    if encoded.kept_count in {0, encoded.weight.numel()}:
        return None
    return float(encoded.weight[encoded.mask.tensor].abs().min())


@dataclass(frozen=True, eq=False)
class ChannelSparsity:
    """For each layer: share of zeros in every output channel [out], of the weights that were not cut out.

    A channel that was cut out is NaN; all of them are in a layer whose block was dropped.
    """

    shares: Mapping[str, NDArray[np.float64]]

    @property
    def dead(self) -> NDArray[np.int64]:
        """How many channels of each layer are there and have no weight [layers]."""
        return np.array([int((share == 1).sum()) for share in self.shares.values()])

    @property
    def channels(self) -> NDArray[np.int64]:
        """How many output channels of each layer are there [layers]."""
        return np.array([int((~np.isnan(share)).sum()) for share in self.shares.values()])


def channel_sparsity(model: Model, store: Store) -> ChannelSparsity:
    """Zeros of every output channel of every layer, of the weights as they are applied."""
    return store.get(
        f"channels:{model.key}",
        lambda: ChannelSparsity(
            {layer.name: _channel_shares(model, layer) for layer in model.subject.layers}
        ),
    )


def _channel_shares(model: Model, layer: Layer) -> NDArray[np.float64]:
    """Share of zeros in every output channel [out]."""
    zero = (model.values(layer.name) == 0).numpy()
    present, _ = _as_cut(model, layer, read_matrix(model.subject.network, layer).numpy())
    count = np.count_nonzero(present, axis=1)
    there = np.count_nonzero(zero & present, axis=1)
    shares: NDArray[np.float64] = np.divide(there, count, out=np.full(len(count), np.nan), where=count > 0)
    return shares
