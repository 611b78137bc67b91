"""What is known of a compressed model without a clock."""

from __future__ import annotations

from dataclasses import dataclass

from compress_core.apply.model import Model
from compress_core.foundation.store import Store
from compress_core.levels.grid import Grid
from compress_core.measure.cost.energy import work_of
from compress_core.techniques.contract.input_rules import StaticGrid


@dataclass(frozen=True)
class Facts:
    """What is known of a compressed model without a clock.

    macs_kept: its operations over the original's, zeros counted; sparsity: share of zeros; bits: of most
    weights, 32 where they are not quantized; layers: how many are called; other_variants: how many of them
    run in another kernel variant than dense; whole_layers: how many multiply codes by inputs that are
    rounded to bytes of a range fixed beforehand.
    """

    macs_kept: float
    sparsity: float
    bits: int
    layers: int
    other_variants: int = 0
    whole_layers: int = 0


def facts_of(model: Model, store: Store, other_variants: int = 0) -> Facts:
    """The facts of a model."""
    work, before = work_of(model, store), work_of(Model.original(model.subject), store)
    weights = sum(w.weight_bytes for w in work) // 4
    nonzero = sum(w.useful_macs for w in work) / max(1, sum(w.macs for w in work))
    encoded = [c for compressed in model.compressed.values() for c in compressed.encoded]
    quantized = [c for c in encoded if c.quantized is not None]
    covered = sum(c.weight.numel() for c in quantized)
    bits = max((c.bits_for_each_value for c in quantized), default=32)
    return Facts(
        macs_kept=sum(w.macs for w in work) / max(1, sum(w.macs for w in before)),
        sparsity=1 - nonzero,
        bits=bits if 2 * covered > weights else 32,
        layers=len(work),
        other_variants=other_variants,
        whole_layers=sum(_is_whole(model, name) for name in model.inputs),
    )


def _is_whole(model: Model, name: str) -> bool:
    """Whether a layer can be computed in bytes: its weights on a grid, its input rounded to one."""
    rules, compressed = model.inputs[name], model.compressed.get(name)
    rounded = len(rules) == 1 and isinstance(rules[0], StaticGrid) and rules[0].bits == 8
    first = None if compressed is None else compressed.encoded[0].quantized
    return rounded and first is not None and isinstance(first.levels, Grid) and first.levels.group is None
