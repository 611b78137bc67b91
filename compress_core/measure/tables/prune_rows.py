"""What the prune knob of a layer would do at each of its places, counted as the model itself is pruned.

Exact: from scores in order, in the scope and the pattern of the step. Where layers share a budget, the knob
is the share of all of them, and the rows say what that leaves of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress_core.apply.context import items_behind
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.apply.shared_budget import sharers
from compress_core.foundation.store import Store, digest
from compress_core.measure.tables.deciding_steps import looks_further, own_knobs, steps_for_weights
from compress_core.measure.tables.removal_order import RemovalOrder
from compress_core.network.layers.places import read_matrix
from compress_core.numerics.arrays import Floats
from compress_core.numerics.value_bins import ValueBins, kept_in_bins, value_bins
from compress_core.recipe.edit import in_order, parts_of, with_step
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.selection.patterns import NOfM
from compress_core.selection.select import Selection
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.technique import Stage

_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True, eq=False)
class SparsityTable:
    """Rows for the prune knob of one layer: sparsity [rows] of what the step's scope counts together.

    kept, bytes and error (the share of its squared weights that is lost) are the layer's own; threshold is
    the largest |weight| removed in it, NaN where no single weight's size decides. layers: who shares the
    knob, this one included; elsewhere [rows]: the share removed in the others, NaN where there are none.
    bins: its weights before this step; kept_in_bins [rows, bins].
    """

    sparsity: Floats
    kept: Floats
    weights: int
    bytes: Floats
    error: Floats
    threshold: Floats
    layers: tuple[str, ...]
    elsewhere: Floats
    bins: ValueBins
    kept_in_bins: NDArray[np.int64]

    @property
    def removed(self) -> Floats:
        """The share of its weights that goes [rows]."""
        return 1 - self.kept / max(1, self.weights)

    @property
    def nbytes(self) -> int:
        return 6 * self.kept.nbytes + self.kept_in_bins.nbytes


def sparsity_table(
    subject: Subject, recipe: ResolvedRecipe, layer: str, step: Step, store: Store, rows: int = 101
) -> SparsityTable:
    """What pruning with this step would leave of a layer, from none to all, and at the step's own share.

    With the rank and the bits that the recipe gives it; of a factored layer all parts are pruned alike.
    """
    assert isinstance(step.knobs, Selection)
    names = list(subject.by_name)
    together = sharers(recipe, layer, step, names)
    around = _around(recipe, layer, together, step, names)
    even, own = np.linspace(0, 1, rows).round(10), step.knobs.sparsity
    items = items_behind(subject, [step, *around.steps])
    key = digest(
        "sparsity", subject.key, around.sha, layer, step.technique, _all(step), together, rows, *items
    )

    def at(sparsity: float, **knobs: object) -> Model:
        place = Step.of(step.technique, **{**_all(step), **knobs}, sparsity=sparsity)
        return compress(subject, in_order(with_step(around, together, Stage.PRUNE, place), names), store)

    def make_order() -> RemovalOrder:
        return RemovalOrder(at(0.0, scope="layer"), layer, together, step)

    def rows_at(share: Floats) -> SparsityTable:
        order = store.get(f"{key}:order", make_order, lambda made: made.nbytes)
        return _rows(order, share, lambda s: at(s).compressed[layer].encoded)

    table = store.get(key, lambda: rows_at(even), lambda made: made.nbytes)
    if own in table.sparsity:
        return table
    return store.get(
        digest(key, own), lambda: _joined(table, rows_at(np.array([own]))), lambda made: made.nbytes
    )


def _joined(table: SparsityTable, row: SparsityTable) -> SparsityTable:
    """The table with one row more, in its place."""
    at = int(np.searchsorted(table.sparsity, row.sparsity[0]))
    columns = ("sparsity", "kept", "bytes", "error", "threshold", "elsewhere", "kept_in_bins")
    return replace(
        table, **{c: np.insert(getattr(table, c), at, getattr(row, c)[0], axis=0) for c in columns}
    )


def _all(step: Step) -> dict[str, object]:
    """What decides the order in which weights go, and how they are counted."""
    choice = step.knobs
    assert isinstance(choice, Selection)
    pattern = {} if isinstance(choice.removed_together, NOfM) else {"pattern": choice.pattern}
    return own_knobs(step) | pattern | {"scope": choice.scope}


def _around(
    recipe: ResolvedRecipe, layer: str, together: Sequence[str], step: Step, names: list[str]
) -> ResolvedRecipe:
    """How the layer is factored and quantized, and of the others what decides their scores and its own."""
    mine, last = {layer, *parts_of(recipe, layer)}, Stage.QUANTIZE
    others = names if looks_further(step) else together
    found = steps_for_weights(recipe, [layer, *others])
    kept = (
        (name, tuple(s for s in steps if s.stage is Stage.FACTOR or (name in mine and s.stage is last)))
        for name, steps in found.layers
    )
    return ResolvedRecipe(tuple((name, steps) for name, steps in kept if steps))


def _rows(
    order: RemovalOrder, share: Floats, encoded_at: Callable[[float], Sequence[EncodedWeight]]
) -> SparsityTable:
    parts = order.parts
    removed = [order.removed(float(s)) for s in share]
    mine = np.array([order.of_mine(r) for r in removed])  # [rows, parts]
    places = [list(zip(parts, counts, strict=True)) for counts in mine.tolist()]

    def bits(row: int) -> int:
        if any(part.has_levels_of_its_own(n) for part, n in places[row]):
            return sum(one.bits.total for one in encoded_at(float(share[row])))
        return sum(part.bits(n) for part, n in places[row])

    total = max(sum(part.power for part in parts), _TINY)
    bins = order.bins
    gone_from = np.concatenate([part.gone_from(mine[:, i]) for i, part in enumerate(parts)])
    return SparsityTable(
        share,
        np.array([sum(part.kept(n) for part, n in place) for place in places], float),
        len(bins.of),
        np.array([bits(row) for row in range(len(share))]) / 8,
        np.array([sum(part.lost(n) for part, n in place) for place in places]) / total,
        np.array([p[0][0].threshold(p[0][1]) if len(parts) == 1 else np.nan for p in places]),
        order.layers,
        np.array([order.elsewhere(r) for r in removed]),
        bins,
        kept_in_bins(bins, gone_from, len(share)),
    )


@dataclass(frozen=True, eq=False)
class PrunedNow:
    """What a prune step without such a knob left of a layer: how many stay, the squared change of weights.

    kept_in_bins [bins]: of the weights before the step.
    """

    weights: int
    kept: int
    bytes: float
    error: float
    bins: ValueBins
    kept_in_bins: NDArray[np.int64]

    @property
    def removed(self) -> float:
        """The share of its weights that went."""
        return 1 - self.kept / max(1, self.weights)


def pruned_now(model: Model, layer: str, store: Store) -> PrunedNow:
    """A layer as its model has it now, whatever decided which weights stay."""

    def make() -> PrunedNow:
        compressed = model.compressed[layer]
        before = torch.cat([weight.reshape(-1) for weight in before_pruning(model, layer, store)])
        after = torch.cat([replace(e, quantized=None).values.reshape(-1) for e in compressed.encoded])
        stay = [torch.ones_like(e.weight, dtype=torch.bool) if e.mask is None else e.mask.tensor
                for e in compressed.encoded]  # fmt: skip
        mask = torch.cat([flags.reshape(-1) for flags in stay])
        lost = float((after.double() - before.double()).square().sum())
        lost /= max(float(before.double().square().sum()), _TINY)
        bins = value_bins(before.numpy())
        left = kept_in_bins(bins, mask.numpy().astype(np.int64), 1)[0]
        kept = int(mask.count_nonzero())
        return PrunedNow(len(before), kept, compressed.bits.total / 8, lost, bins, left)

    return store.get(f"pruned now:{model.key}:{layer}", make, lambda found: found.bins.of.nbytes)


def before_pruning(model: Model, layer: str, store: Store) -> list[Tensor]:
    """The weights that the prune step of a layer was given, of each part [out, in].

    Not those that the model has: a method that updates what stays leaves others behind.
    """
    base, recipe = model.base, model.recipe
    if not parts_of(recipe, layer):
        return [read_matrix(base.network, base.layer(layer))]
    factors = steps_for_weights(recipe, list(base.by_name))
    alone = ((name, tuple(s for s in steps if s.stage is Stage.FACTOR)) for name, steps in factors.layers)
    factored = compress(base, ResolvedRecipe(tuple((n, steps) for n, steps in alone if steps)), store)
    return [encoded.weight for encoded in factored.compressed[layer].encoded]


def weights_now(subject: Subject, layer: str, store: Store) -> ValueBins:
    """The weights of a layer before any step, in bins; those that are no finite number are left out."""
    return store.get(
        f"bins:{subject.key}:{layer}",
        lambda: value_bins(read_matrix(subject.network, subject.layer(layer)).numpy()),
        lambda found: found.of.nbytes,
    )
