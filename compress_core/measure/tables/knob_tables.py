"""What a knob would do at each of its places: the rows that a page looks up while the knob moves.

Exact numbers from sorted scores, singular values and level grids; nothing is evaluated on items. The
subject is the one whose weights are treated: where channels are cut or norms folded, the base.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from compress_core.apply.context import items_behind
from compress_core.apply.run import compress
from compress_core.apply.views.weight_view import derive
from compress_core.foundation.store import Store, digest
from compress_core.measure.tables.deciding_steps import deciding_steps, own_knobs
from compress_core.network.layers.factors import shipped, small_layers
from compress_core.network.layers.kinds import Layer
from compress_core.numerics.arrays import Floats
from compress_core.recipe.edit import in_order, with_step
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.statistics import statistics
from compress_core.statistics.singular_vectors import SingularVectors
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.results import Quantized
from compress_core.techniques.contract.technique import Stage, Technique, technique_named


@dataclass(frozen=True, eq=False)
class BitsTable:
    """Rows for the bits knob; levels holds the grid of the layer's first row at each place."""

    bits: Floats
    bytes: Floats
    bytes_unquantized: float
    error: Floats
    levels: tuple[Floats, ...]


@dataclass(frozen=True, eq=False)
class RankTable:
    """Rows for the rank knob: small layers in place of the layer.

    break_even: the largest rank at which they hold fewer weights; 0 where there is none.
    """

    rank: Floats
    weights: Floats
    bytes: Floats
    macs: Floats | None
    error: Floats
    break_even: int


def bits_table(subject: Subject, recipe: ResolvedRecipe, layer: str, step: Step, store: Store) -> BitsTable:
    """What quantizing a layer's kept weights would cost and lose, at every number of bits."""
    places = list(range(2, 9))

    names = list(subject.by_name)
    recipe = deciding_steps(recipe, layer, step, names)

    def make() -> BitsTable:
        bare = in_order(with_step(recipe, [layer], Stage.QUANTIZE, None), names)
        unquantized = compress(subject, bare, store)
        reference = unquantized.values(layer)
        power = max(float(reference.double().square().sum()), np.finfo(np.float64).tiny)
        bytes_, errors, levels = [], [], []
        for bits in places:
            place = Step.of(step.technique, **{**own_knobs(step), "bits": bits})
            model = compress(
                subject, in_order(with_step(recipe, [layer], Stage.QUANTIZE, place), names), store
            )
            compressed = model.compressed[layer]
            bytes_.append(compressed.bits.total / 8)
            errors.append(float((compressed.values - reference).double().square().sum()) / power)
            quantized = compressed.encoded[0].quantized
            assert isinstance(quantized, Quantized)
            levels.append(quantized.levels.levels().double().numpy())
        before = unquantized.compressed.get(layer)
        size = subject.layer(layer).weights * 4 if before is None else before.bits.total / 8
        return BitsTable(np.array(places, float), np.array(bytes_), size, np.array(errors), tuple(levels))

    items = items_behind(subject, [step, *recipe.steps])
    key = digest("bits", subject.key, recipe.sha, layer, step.technique, own_knobs(step), *items)
    return store.get(key, make)


def rank_table(
    subject: Subject,
    layer: str,
    store: Store,
    technique: str = "low_rank",
    rows: int = 101,
    at: int | None = None,
) -> RankTable:
    """What the small layers in place of one would cost and lose, for about `rows` ranks.

    technique: a factorizer with one rank. at: a rank that has a row in any case. error is the share of
    the squared weights that is not reproduced. Raises Refused where the technique cannot factor the layer.
    """

    def make() -> RankTable:
        vectors: SingularVectors = derive(subject, layer, vectors_of(technique), store)
        return _rank_rows(subject.layer(layer), technique_named(technique), vectors, rows, at)

    items = items_behind(subject, [Step.of(technique)])
    key = digest("rank", subject.key, layer, technique, rows, at, *items)
    return store.get(key, make, lambda table: 5 * table.rank.nbytes)


def vectors_of(technique: str) -> str:
    """The statistic whose singular values a factorizer truncates."""
    return next(need for need in technique_named(technique).needs if need in statistics())


def _rank_rows(
    layer: Layer, method: Technique, vectors: SingularVectors, rows: int, at: int | None
) -> RankTable:
    highest = vectors.values.shape[1]
    even = np.linspace(1, highest, min(rows, highest)).round()
    ranks = np.unique(np.append(even, [] if at is None else [at])).astype(int)
    small = [_shapes_only(layer, method, vectors, int(rank)) for rank in ranks]
    weights = np.array([sum(part.weights for part in parts) for parts in small], float)
    counts = [[part.macs for part in parts] for parts in small]
    macs = [sum(c for c in parts if c is not None) for parts in counts if None not in parts]
    lost = 1 - vectors.energy.numpy()[ranks - 1]
    return RankTable(
        ranks.astype(float),
        weights,
        weights * 4,
        np.array(macs, float) if len(macs) == len(ranks) else None,
        np.clip(lost, 0, 1),
        int((layer.weights - 1) // max(1.0, weights[0] / ranks[0])),
    )


def _shapes_only(layer: Layer, method: Technique, vectors: SingularVectors, rank: int) -> tuple[Layer, ...]:
    """The small layers of a rank: the technique itself says them, on tensors without memory."""
    thin = _EmptyVectors(*(t.to("meta") for t in (vectors.left, vectors.values, vectors.right)))
    kernel = torch.empty(layer.kernel_shape, device="meta")
    supplied = [kernel if need == "kernel" else thin for need in method.needs]
    kernels = shipped(layer, method.function(*supplied, rank=rank))
    return small_layers(layer, [part.shape for part in kernels])


class _EmptyVectors(SingularVectors):
    """Vectors on tensors without memory: of the factors only the shapes are made.

    To calculate with such tensors torch imports its compiler, a second and sixty megabytes of a server.
    """

    def halves(self, rank: int) -> tuple[Tensor, Tensor]:
        """first [groups, rank, in * k], second [groups, out / groups, rank], with nothing in them."""
        groups, rows, _ = self.left.shape
        first = self.right.new_empty(groups, rank, self.right.shape[1])
        return first, self.left.new_empty(groups, rows, rank)
