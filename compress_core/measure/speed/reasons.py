"""Why a bar is as long as it is, in words, from what is known of the model.

What runtimes have in common; each says the rest in its own file.
"""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_, Phrase
from compress_core.measure.speed.facts import Facts
from compress_core.measure.speed.latency import Bar

_FEWER, _MORE = 0.97, 1.03  # share of the original's operations that counts as fewer or more
_SHORT_OF = 0.7  # of the speed that fewer operations promise
_SOME = 0.05  # share of zeros worth a word


def reason(bar: Bar, facts: Facts) -> str:
    """One sentence on why this network takes this long in this runtime."""
    if bar.whose == "original":
        return N_("The model as loaded: what the others are compared with.")
    return bar.runtime.reason(bar.ratio, bar.batch, facts)


def surely_faster(ratio: Number) -> bool:
    """Whether the whole interval of times faster lies above 1."""
    return ratio.low is not None and ratio.low > 1


def of_dense(ratio: Number, batch: int, facts: Facts) -> str:
    """Why a runtime that skips nothing and decodes what is encoded takes this long."""
    if facts.macs_kept < _FEWER:
        return _of_fewer(ratio, batch, facts)
    if facts.macs_kept > _MORE:
        return Phrase(
            "It multiplies {times:.2f} times as often as the original: two factors of this rank hold more "
            "than the layer did.",
            times=facts.macs_kept,
        )
    zeros, encoded = facts.sparsity > _SOME, facts.bits < 32
    if zeros and encoded:
        return Phrase(
            "{zeros:.0%} of the multiplications are by zero and are done like any other; weights of {bits} "
            "bits are decoded to 32 before they are used: both save bytes of the file, not time.",
            zeros=facts.sparsity,
            bits=facts.bits,
        )
    if zeros:
        return Phrase(
            "{zeros:.0%} of the multiplications are by zero, but zeros are multiplied like any other number.",
            zeros=facts.sparsity,
        )
    if encoded:
        return Phrase(
            "Weights of {bits} bits are decoded to 32 before they are used: they save bytes of the file, not "
            "time.",
            bits=facts.bits,
        )
    return N_("It does the same operations as the original.")


def _of_fewer(ratio: Number, batch: int, facts: Facts) -> str:
    kept = Phrase("It does {kept:.0%} of the original's multiplications", kept=facts.macs_kept)
    promised = 1 / max(facts.macs_kept, 1e-9)
    if not surely_faster(ratio):
        return Phrase(
            "{kept}, but at a batch of {batch} the time goes into calling {layers} layers, not into "
            "multiplying.",
            kept=kept,
            batch=batch,
            layers=facts.layers,
        )
    if (ratio.value or 0) < _SHORT_OF * promised:
        return Phrase(
            "{kept}; the time falls less, because calls and moved activations do not shrink as fast.",
            kept=kept,
        )
    return Phrase("{kept}, and the time follows.", kept=kept)
