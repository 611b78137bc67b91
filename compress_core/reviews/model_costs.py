"""What a model takes, before and after: bytes, operations, and times as far as they are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compress_core.apply.model import Model
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.measure.cost.cost import costs
from compress_core.measure.cost.energy import energy_costs
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.findings import BeforeAfter
from compress_core.reviews.gate_verdict import JudgedGate

NOBODY_ASKED = N_("No gate asks for it.")
_COUNTED = {
    "bytes": N_("Plain file"),
    "sparsity": N_("Share of zeros"),
    "macs": N_("Multiply-accumulates of one item"),
}
LATENCY, LATENCY_BEFORE = "latency_ms", "latency_before"


def sizes_of(model: Model, store: Store) -> tuple[BeforeAfter, ...]:
    """Exact numbers of the model as loaded and of the compressed one; the packed files are really made."""
    original = Model.original(model.subject)
    before, after = costs(original, store), costs(model, store)
    counted = tuple(BeforeAfter(name, title, before[name], after[name]) for name, title in _COUNTED.items())
    packed = BeforeAfter(
        "packed_bytes", N_("Packed file"), packed_size(original, store), packed_size(model, store)
    )
    return (counted[0], packed, *counted[1:])


def times_of(
    model: Model,
    judged: Iterable[JudgedGate],
    evidence: Evidence,
    store: Store,
    known: Mapping[str, Number],
) -> tuple[BeforeAfter, ...]:
    """Milliseconds where a gate asks for them, and energy, which is always an estimate."""
    before = after = Number.missing("ms", NOBODY_ASKED)
    for each in judged:
        if each.gate.measure == LATENCY:
            before = known[LATENCY_BEFORE] if LATENCY_BEFORE in known else evidence.latency[0]
            after = each.number
    spent = energy_costs(model, store)
    return (
        BeforeAfter(LATENCY, N_("Latency"), before, after),
        BeforeAfter("energy", N_("Energy of one item"), spent["energy_original"], spent["energy"]),
    )
