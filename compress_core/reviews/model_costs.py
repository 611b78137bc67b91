"""What a model takes, before and after: bytes, operations, and times as far as they are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from compress_core.apply.model import Model
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_, Phrase
from compress_core.measure.cost.cost import costs
from compress_core.measure.cost.energy import energy_costs
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.findings import BeforeAfter, Review
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
    """Milliseconds where a gate asks for them or they are known, and energy, which is always an estimate."""
    asked = next((each for each in judged if each.gate.measure == LATENCY), None)
    if asked is not None:
        before = known[LATENCY_BEFORE] if LATENCY_BEFORE in known else evidence.latency[0]
        time = BeforeAfter(LATENCY, N_("Latency"), before, asked.number)
    elif LATENCY in known and LATENCY_BEFORE in known:
        time = _measured_apart(known[LATENCY_BEFORE], known[LATENCY], evidence.batch)
    else:
        time = BeforeAfter(LATENCY, N_("Latency"), *[Number.missing("ms", NOBODY_ASKED)] * 2)
    spent = energy_costs(model, store)
    return (
        time,
        BeforeAfter("energy", N_("Energy of one item"), spent["energy_original"], spent["energy"]),
    )


def with_times_of_deploy(review: Review, before: Number, after: Number) -> Review:
    """The review with milliseconds that were measured on Deploy, where no gate had it measure any itself."""
    apart = _measured_apart(before, after, review.gates.conditions.batch)
    times = (
        apart if row.name == LATENCY and row.after.reason == NOBODY_ASKED else row for row in review.times
    )
    return replace(review, times=tuple(times))


def _measured_apart(before: Number, after: Number, batch: int) -> BeforeAfter:
    return BeforeAfter(
        LATENCY, Phrase("Latency as measured on Deploy, batch of {batch}", batch=batch), before, after
    )
