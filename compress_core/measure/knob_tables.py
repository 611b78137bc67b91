"""What a knob would do at each of its places: the rows that a page looks up while the knob moves.

Exact numbers from sorted scores, singular values and level grids; nothing is evaluated on items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress_core.answers import Quantised
from compress_core.apply import compress, derive
from compress_core.coded import Coded
from compress_core.edit import in_order, step_of, with_step
from compress_core.recipe import Resolved, Setting
from compress_core.select import Above, exact_count
from compress_core.statistics.singular_vectors import SingularVectors
from compress_core.store import Store, digest
from compress_core.subject.subject import Subject
from compress_core.technique import Stage

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SparsityTable:
    """Rows for the prune knob of one layer; threshold is NaN where the score is not the weight's size."""

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
    """Rows for the rank knob: two factors in place of the layer."""

    rank: Floats
    weights: Floats
    bytes: Floats
    macs: Floats | None
    error: Floats


def sparsity_table(
    subject: Subject, recipe: Resolved, layer: str, setting: Setting, store: Store, rows: int = 101
) -> SparsityTable:
    """What pruning a layer with this criterion would leave, from none to all of its weights.

    Counted within the layer; error is the share of its squared weights that is lost.
    """

    def make() -> SparsityTable:
        free = Setting.of(setting.technique, **_own(setting), sparsity=0.5)
        bare = in_order(with_step(Resolved(()), [layer], Stage.PRUNE, free), list(subject.by_name))
        coded = compress(subject, bare, store).edited[layer].coded[0]
        assert isinstance(coded.kept, Above)
        scores = coded.kept.scores.ranked().reshape(-1).numpy()
        order = np.argsort(scores, kind="stable")
        squared = coded.weight.reshape(-1).numpy()[order].astype(np.float64) ** 2
        return _sparsity_rows(coded, scores[order], np.cumsum(squared), recipe, layer, rows)

    key = digest("sparsity", subject.digest, recipe.sha, layer, setting.technique, _own(setting), rows)
    return store.get(key, make)


def _own(setting: Setting) -> dict[str, object]:
    return {k: v for k, v in setting.knobs if k in setting.method.own_knobs}


def _sparsity_rows(
    coded: Coded, ascending: np.ndarray, lost: Floats, recipe: Resolved, layer: str, rows: int
) -> SparsityTable:
    assert isinstance(coded.kept, Above)
    size = coded.weight.numel()
    share = np.linspace(0, 1, rows)
    removed = np.array([exact_count(s, size) for s in share])
    total = max(float(lost[-1]), np.finfo(np.float64).tiny)
    threshold = np.where(removed > 0, ascending[np.maximum(removed - 1, 0)].astype(np.float64), 0.0)
    if not coded.kept.scores.absolute:
        threshold = np.full(rows, np.nan)
    quantise = step_of(recipe, layer, Stage.QUANTIZE)
    width = 32 if quantise is None else int(getattr(quantise.knobs, "bits", 32))
    stored = [_stored_bytes(coded, size - int(k), width) for k in removed]
    error = np.where(removed > 0, lost[np.maximum(removed - 1, 0)], 0.0) / total
    return SparsityTable(
        share, (size - removed).astype(np.float64), np.array(stored, float), error, threshold
    )


def _stored_bytes(coded: Coded, kept: int, width: int) -> int:
    """Bytes of the values and the mask when so many weights stay, each of them `width` bits."""
    size = coded.weight.numel()
    every = -(-size * width // 8)
    sparse = -(-size // 8) + -(-kept * width // 8)
    return min(every, sparse) if kept < size else every


def bits_table(subject: Subject, recipe: Resolved, layer: str, setting: Setting, store: Store) -> BitsTable:
    """What quantizing a layer's kept weights would cost and lose, at every number of bits."""
    places = list(range(2, 9))

    def make() -> BitsTable:
        names = list(subject.by_name)
        bare = in_order(with_step(recipe, [layer], Stage.QUANTIZE, None), names)
        unquantized = compress(subject, bare, store)
        reference = unquantized.values(layer)
        power = max(float(reference.double().square().sum()), np.finfo(np.float64).tiny)
        bytes_, errors, levels = [], [], []
        for bits in places:
            step = Setting.of(setting.technique, **{**_own(setting), "bits": bits})
            model = compress(
                subject, in_order(with_step(recipe, [layer], Stage.QUANTIZE, step), names), store
            )
            edited = model.edited[layer]
            bytes_.append(edited.bits.total / 8)
            errors.append(float((edited.values - reference).double().square().sum()) / power)
            quantised = edited.coded[0].quantised
            assert isinstance(quantised, Quantised)
            levels.append(quantised.levels.levels().double().numpy())
        before = unquantized.edited.get(layer)
        size = subject.layer(layer).weights * 4 if before is None else before.bits.total / 8
        return BitsTable(np.array(places, float), np.array(bytes_), size, np.array(errors), tuple(levels))

    key = digest("bits", subject.digest, recipe.sha, layer, setting.technique, _own(setting))
    return store.get(key, make)


def rank_table(subject: Subject, layer: str, store: Store, rows: int = 101) -> RankTable:
    """What two factors in place of a layer would cost and lose, for about `rows` ranks.

    error is the share of the squared weights that the factors do not reproduce.
    """
    shape = subject.layer(layer)
    vectors: SingularVectors = derive(subject, layer, "singular_vectors", store)
    highest = shape.highest_rank
    ranks = np.unique(np.linspace(1, highest, min(rows, highest)).round().astype(int))
    weights = ranks * shape.groups * (shape.rows // shape.groups + shape.columns)
    lost = 1 - vectors.energy.numpy()[ranks - 1]
    macs = None if shape.macs is None else shape.macs / shape.weights * weights
    return RankTable(ranks.astype(float), weights.astype(float), weights * 4.0, macs, np.clip(lost, 0, 1))
