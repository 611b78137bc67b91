"""What a model costs to keep and to run: exact bytes, sparsity by origin, multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store, digest
from compress_core.foundation.texts import N_, Phrase
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import read_matrix
from compress_core.network.multiplications import Multiplications, multiplications
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.encoded import EncodedWeight, Zeros


def costs(model: Model, store: Store) -> Mapping[str, Number]:
    """Sizes of a model as exact numbers, by name.

    bytes: the plain file as written, header included; sparsity: share of zeros among the
    weights of all layers that can be compressed, by origin; macs: of one item through the whole network, as
    `network.multiplications` counts them, zeros like other weights.
    """
    rows = layer_costs(model, store)
    zeros, weights = zeros_of(rows)
    original = Model.original(model.subject)
    bits = model.bits
    count = max(1, weights)
    exact = {
        "bytes": (float(model.file_bytes), "byte"),
        "size_ratio": (original.file_bytes / model.file_bytes, "ratio"),
        "bytes_values": (bits.values / 8, "byte"),
        "bytes_positions": (bits.positions / 8, "byte"),
        "bytes_tables": (bits.tables / 8, "byte"),
        "bytes_header": (model.file_bytes - bits.total / 8, "byte"),
        "sparsity": (zeros.total / count, "share"),
        "sparsity_pruned": (zeros.pruned / count, "share"),
        "sparsity_quantized": (zeros.quantized / count, "share"),
        "sparsity_original": (zeros.original / count, "share"),
    }
    found = {name: Number(value, unit, "exact") for name, (value, unit) in exact.items()}
    return {**found, "macs": network_macs(model, store)}


def network_macs(model: Model, store: Store) -> Number:
    """Multiply-accumulates of one item through the network that ships, not measured where it hides some."""
    if any(row.macs is None for row in layer_costs(model, store)):
        return Number.missing("MAC", N_("Some layers did not run on the example input."))
    found = _multiplications(model, store)
    if found.total is None:
        reason = Phrase(
            "The multiplications within {operation} cannot be counted.", operation=found.uncounted
        )
        return Number.missing("MAC", reason)
    return Number(float(found.total), "MAC", "exact")


def _multiplications(model: Model, store: Store) -> Multiplications:
    """Values change nothing about it: it is counted again only where shapes do."""
    shapes = [
        (name, *(part.kernel_shape for part in c.small)) for name, c in model.compressed.items() if c.small
    ]
    key = digest("multiplications", model.base.key, *shapes)
    return store.get(key, lambda: multiplications(model.network(), model.base.input.baseline))


@dataclass(frozen=True)
class LayerCost:
    """One layer's size now and as loaded; a factored layer counts all its parts, a dropped one nothing."""

    layer: Layer
    weights: int
    zeros: Zeros
    bytes_before: int
    bytes: int
    macs: int | None
    rank: int | None

    @property
    def bits_before(self) -> int:
        """Of a weight as loaded: 32, or 16 where it came so."""
        return 8 * self.bytes_before // max(1, self.layer.weights)

    def share_of_weights(self, count: int) -> float:
        """So many zeros as a share of the weights that it has now."""
        return count / max(1, self.weights)


def layer_costs(model: Model, store: Store) -> tuple[LayerCost, ...]:
    """The cost of every layer, in module order."""
    return store.get(digest("layer costs", model.key), lambda: count_layers(model))


def count_layers(model: Model) -> tuple[LayerCost, ...]:
    """The same, counted anew."""
    return tuple(_layer_cost(model, layer) for layer in model.subject.layers)


def _layer_cost(model: Model, layer: Layer) -> LayerCost:
    before = layer.weights * _bytes_each(model.subject, layer)
    small = model.base.by_name.get(layer.name)
    if small is None:
        return LayerCost(layer, 0, Zeros(0, 0, 0), before, 0, 0, None)
    compressed = model.compressed.get(layer.name)
    if compressed is None:
        zeros = EncodedWeight(read_matrix(model.base.network, small)).zeros
        each = _bytes_each(model.base, small)
        return LayerCost(layer, small.weights, zeros, before, small.weights * each, small.macs, None)
    zeros = _added(encoded.zeros for encoded in compressed.encoded)
    weights = sum(part.weights for part, _ in compressed.parts)
    return LayerCost(
        layer, weights, zeros, before, compressed.bits.total // 8, compressed.macs, compressed.rank
    )


def _bytes_each(subject: Subject, layer: Layer) -> int:
    """Bytes of a weight in full: 4, or 2 where it came in 16 bits."""
    if not subject.came_as:
        return 4
    kind = subject.type_of_values(layer, read_matrix(subject.network, layer))
    return kind.itemsize


def _added(zeros: Iterable[Zeros]) -> Zeros:
    parts = list(zeros)
    return Zeros(
        sum(z.pruned for z in parts), sum(z.quantized for z in parts), sum(z.original for z in parts)
    )


def zeros_of(rows: Sequence[LayerCost]) -> tuple[Zeros, int]:
    """Zeros by origin over all compressible layers, and the number of their weights as they ship."""
    return _added(row.zeros for row in rows), sum(row.weights for row in rows)
