"""How many bytes a weight will take in the packed file, without packing every one of its options.

The entropy of its codes is counted for each; a few are really packed, and a line through them says what
packing makes of an entropy in this layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress_core.apply.model import CompressedLayer
from compress_core.deliver.packing.shorter_way import bytes_of_weight
from compress_core.deliver.packing.sparse_weight import steps_from_zero
from compress_core.numerics.arrays import Floats
from compress_core.techniques.contract.encoded import EncodedWeight

PACKED = 4  # of each kind of option are really packed


@dataclass(frozen=True)
class Counted:
    """A layer's form as it is counted: entropy in bytes, weights that are not zero, how many small layers."""

    entropy: float
    nonzero: int
    parts: int


def counted(layer: Sequence[EncodedWeight]) -> Counted:
    """Entropy and weights of a layer, of a factored one over its small layers."""
    found = [_entropy(weight) for weight in layer]
    return Counted(sum(size for size, _ in found), sum(kept for _, kept in found), len(found))


def _entropy(weight: EncodedWeight) -> tuple[float, int]:
    """Bytes if each code took what its frequency in this weight says; weights in full take all their bits."""
    if weight.quantized is None:
        kept = int(np.count_nonzero(weight.values.numpy()))
        flags = _of_counts(np.array([kept, weight.weight.numel() - kept]))
        return flags + kept * weight.value_type.itemsize, kept
    steps = steps_from_zero(weight)
    codes = weight.codes.numpy() if steps is None else steps
    _, counts = np.unique(codes, return_counts=True)
    kept = int(np.count_nonzero(weight.values.numpy() if steps is None else steps))
    return _of_counts(counts), kept


def _of_counts(counts: NDArray[np.int_]) -> float:
    total = counts.sum()
    shares = counts[counts > 0] / max(1, total)
    return float(-(shares * np.log2(shares)).sum() * total / 8)


def bytes_of_layer(layer: Sequence[EncodedWeight]) -> int:
    """Bytes of a layer that stands alone, really packed."""
    return sum(bytes_of_weight(weight) for weight in layer)


def fitted_bytes(options: Sequence[Counted], layers: Sequence[Sequence[EncodedWeight]]) -> Floats:
    """Bytes of each option of one kind [options]; those that were packed keep what they took."""
    entropy = np.array([option.entropy for option in options])
    anchors = _spread_out(entropy)
    known = np.array([bytes_of_layer(layers[index]) for index in anchors], dtype=np.float64)
    parts = np.array([option.parts for option in options])
    terms = np.stack([entropy, parts], axis=1)
    weights = 1 / np.maximum(known, 1)
    line = np.linalg.lstsq(terms[anchors] * weights[:, None], known * weights, rcond=None)[0]
    found: Floats = np.maximum(terms @ line, 1.0)
    found[anchors] = known
    return found


def _spread_out(entropy: Floats) -> list[int]:
    """Which options are packed: the smallest, the largest, and some evenly between them."""
    order = np.argsort(entropy, kind="stable")
    at = np.unique(np.linspace(0, len(order) - 1, min(PACKED, len(order))).round().astype(int))
    return [int(index) for index in order[at]]


def packed_alike(layer: CompressedLayer) -> tuple[bool, bool]:
    """What is packed alike: factored or whole, rounded or in full."""
    return layer.is_factored, layer.encoded[0].quantized is not None
