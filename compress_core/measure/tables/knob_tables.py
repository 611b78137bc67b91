"""What a knob would do at each of its places: the rows that a page looks up while the knob moves.

Exact numbers from sorted scores, singular values and level grids; nothing is evaluated on items. The
subject is the one whose weights are treated: where channels are cut or norms folded, the base.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from compress_core.apply.argument import DependsOn, depends_on
from compress_core.apply.context import items_behind
from compress_core.apply.run import compress
from compress_core.apply.views.weight_view import derive
from compress_core.foundation.store import Store, digest
from compress_core.levels.table import Table
from compress_core.network.layers.factors import shipped, small_layers
from compress_core.network.layers.kinds import Layer
from compress_core.numerics.arrays import Floats
from compress_core.recipe.edit import in_order, parts_of, with_step
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.selection.patterns import BoxGrid, NOfM
from compress_core.selection.select import BoxMask, Selection, ThresholdMask, removed_boxes
from compress_core.statistics import statistics
from compress_core.statistics.singular_vectors import SingularVectors
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.results import Quantized
from compress_core.techniques.contract.technique import Stage, Technique, technique_named

_OTHER_LAYERS = DependsOn.EARLIER_LAYERS | DependsOn.FACTORED_LAYERS | DependsOn.LATER_LAYERS


@dataclass(frozen=True, eq=False)
class SparsityTable:
    """Rows for the prune knob of one layer; threshold is NaN where no single weight's size decides."""

    sparsity: Floats
    kept: Floats
    bytes: Floats
    error: Floats
    threshold: Floats


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


def sparsity_table(
    subject: Subject, recipe: ResolvedRecipe, layer: str, step: Step, store: Store, rows: int = 101
) -> SparsityTable:
    """What pruning a layer with this criterion would leave, from none to all of its weights.

    Counted within the layer, in the setting's pattern unless that is n:m, with the rank and the bits that
    the recipe gives it; of a factored layer all parts are pruned alike. error is the share of its squared
    weights that is lost.
    """
    own = _own(step) | _pattern(step)
    alone = steps_for_weights(recipe, [layer])

    def at(sparsity: float) -> tuple[EncodedWeight, ...]:
        place = Step.of(step.technique, **own, sparsity=sparsity)
        bare = in_order(with_step(alone, [layer], Stage.PRUNE, place), list(subject.by_name))
        return compress(subject, bare, store).compressed[layer].encoded

    def bits(parts: list[_PrunedPart], share: float) -> int:
        if any(part.has_levels_of_its_own(share) for part in parts):
            return sum(encoded.bits.total for encoded in at(share))
        return sum(part.bits(share) for part in parts)

    def make() -> SparsityTable:
        share = np.linspace(0, 1, rows).round(10)
        parts = [_PrunedPart(encoded) for encoded in at(0.0)]
        kept = np.array([sum(part.kept(s) for part in parts) for s in share], float)
        total = max(sum(part.power for part in parts), np.finfo(np.float64).tiny)
        error = np.array([sum(part.lost(s) for part in parts) for s in share]) / total
        sizes = [bits(parts, s) for s in share]
        threshold = [parts[0].threshold(s) if len(parts) == 1 else np.nan for s in share]
        return SparsityTable(share, kept, np.array(sizes) / 8, error, np.array(threshold))

    items = items_behind(subject, [step, *alone.steps])
    key = digest("sparsity", subject.key, alone.sha, layer, step.technique, own, rows, *items)
    return store.get(key, make, lambda table: 5 * table.kept.nbytes)


def _own(step: Step) -> dict[str, object]:
    return {k: v for k, v in step.knobs if k in step.method.own_knobs}


def _pattern(step: Step) -> dict[str, object]:
    choice = step.knobs
    assert isinstance(choice, Selection)
    return {} if isinstance(choice.removed_together, NOfM) else {"pattern": choice.pattern}


class _PrunedPart:
    """A weight pruned by a criterion, with what any other share of it would be; shares from 0 to 1."""

    def __init__(self, encoded: EncodedWeight) -> None:
        kept = encoded.mask
        assert isinstance(kept, ThresholdMask | BoxMask)
        self._encoded, self._choice, self._size = encoded, kept, encoded.weight.numel()
        self._above = kept if isinstance(kept, ThresholdMask) else kept.boxes
        self._cuts: tuple[BoxGrid, ...] = () if isinstance(kept, ThresholdMask) else (kept.cut,)
        scores = self._above.scores.ranked().reshape(-1).numpy()
        order = len(scores) - 1 - np.argsort(scores[::-1], kind="stable")  # of equals the last goes first
        self._ascending = scores[order]
        squared = encoded.weight.double().square()
        self._lost = np.cumsum(np.append(0.0, self._by_box(squared)[order]))
        self._gone = np.cumsum(np.append(0, self._by_box(torch.ones_like(squared))[order]))

    def _by_box(self, values: Tensor) -> Floats:
        """Sums over what is removed together."""
        summed: Floats = (self._cuts[0].summed(values) if self._cuts else values).reshape(-1).numpy()
        return summed

    @property
    def power(self) -> float:
        return float(self._lost[-1])

    def _removed(self, share: float) -> int:
        return removed_boxes(share, len(self._ascending), self._cuts)

    def kept(self, share: float) -> int:
        return self._size - int(self._gone[self._removed(share)])

    def lost(self, share: float) -> float:
        return float(self._lost[self._removed(share)])

    def threshold(self, share: float) -> float:
        """The largest |weight| removed, 0 for none; NaN where the score is another one."""
        if self._cuts or not self._above.scores.absolute:
            return float("nan")
        removed = self._removed(share)
        return float(self._ascending[removed - 1]) if removed else 0.0

    def bits(self, share: float) -> int:
        """Bits of the stored weight; the mask is not needed to count them."""
        kept = replace(self._choice, count=self.kept(share))
        return replace(self._encoded, mask=kept).bits.total

    def has_levels_of_its_own(self, share: float) -> bool:
        """Whether a codebook may have fewer entries, or one for zero, than that of the other shares."""
        levels = self._encoded.quantized.levels if self._encoded.quantized else None
        if not isinstance(levels, Table):
            return False
        return levels.has_zero or self.kept(share) <= levels.table.shape[0] * 2**levels.code_bits


def bits_table(subject: Subject, recipe: ResolvedRecipe, layer: str, step: Step, store: Store) -> BitsTable:
    """What quantizing a layer's kept weights would cost and lose, at every number of bits."""
    places = list(range(2, 9))

    names = list(subject.by_name)
    recipe = _deciding(recipe, layer, step, names)

    def make() -> BitsTable:
        bare = in_order(with_step(recipe, [layer], Stage.QUANTIZE, None), names)
        unquantized = compress(subject, bare, store)
        reference = unquantized.values(layer)
        power = max(float(reference.double().square().sum()), np.finfo(np.float64).tiny)
        bytes_, errors, levels = [], [], []
        for bits in places:
            place = Step.of(step.technique, **{**_own(step), "bits": bits})
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
    key = digest("bits", subject.key, recipe.sha, layer, step.technique, _own(step), *items)
    return store.get(key, make)


def _deciding(recipe: ResolvedRecipe, layer: str, step: Step, names: list[str]) -> ResolvedRecipe:
    """The steps that decide what a layer's weights become: its own, unless one looks at other layers."""
    own = steps_for_weights(recipe, [layer])
    if any(_looks_further(one) for one in (*own.steps, step)):
        return steps_for_weights(recipe, names)
    return own


def _looks_further(step: Step) -> bool:
    together = isinstance(step.knobs, Selection) and step.knobs.shares_budget
    return together or bool(depends_on(step.method) & _OTHER_LAYERS)


def steps_for_weights(recipe: ResolvedRecipe, names: list[str]) -> ResolvedRecipe:
    """What the recipe does to the weights of these layers, without all that is done to anything else."""
    there = {place for name in names for place in (name, *parts_of(recipe, name))}
    steps = {
        name: tuple(s for s in found if s.stage is not Stage.INPUTS)
        for name, found in recipe.layers
        if name in there
    }
    return ResolvedRecipe(tuple((name, found) for name, found in steps.items() if found))


def rank_table(
    subject: Subject, layer: str, store: Store, technique: str = "low_rank", rows: int = 101
) -> RankTable:
    """What the small layers in place of one would cost and lose, for about `rows` ranks.

    technique: a factorizer with one rank. error is the share of the squared weights that is not
    reproduced. Raises Refused where the technique cannot factor the layer.
    """

    def make() -> RankTable:
        vectors: SingularVectors = derive(subject, layer, vectors_of(technique), store)
        return _rank_rows(subject.layer(layer), technique_named(technique), vectors, rows)

    items = items_behind(subject, [Step.of(technique)])
    key = digest("rank", subject.key, layer, technique, rows, *items)
    return store.get(key, make, lambda table: 5 * table.rank.nbytes)


def vectors_of(technique: str) -> str:
    """The statistic whose singular values a factorizer truncates."""
    return next(need for need in technique_named(technique).needs if need in statistics())


def _rank_rows(layer: Layer, method: Technique, vectors: SingularVectors, rows: int) -> RankTable:
    highest = vectors.values.shape[1]
    ranks = np.unique(np.linspace(1, highest, min(rows, highest)).round().astype(int))
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
    thin = SingularVectors(*(t.to("meta") for t in (vectors.left, vectors.values, vectors.right)))
    kernel = torch.empty(layer.kernel_shape, device="meta")
    supplied = [kernel if need == "kernel" else thin for need in method.needs]
    kernels = shipped(layer, method.function(*supplied, rank=rank))
    return small_layers(layer, [part.shape for part in kernels])
