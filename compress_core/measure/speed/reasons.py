"""Why a bar is as long as it is, in words, from what is known of the model."""

from __future__ import annotations

from dataclasses import dataclass

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_, Phrase
from compress_core.levels import Grid
from compress_core.measure.cost.energy import work_of
from compress_core.measure.speed.latency import Bar
from compress_core.measure.speed.runtimes.runnable import Runtime
from compress_core.techniques.contract.input_rules import StaticGrid

_FEWER, _MORE = 0.97, 1.03  # share of the original's operations that counts as fewer or more
_SHORT_OF = 0.7  # of the speed that fewer operations promise
_SOME = 0.05  # share of zeros worth a word


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


def facts_of(model: Model, other_variants: int = 0) -> Facts:
    """The facts of a model."""
    work, before = work_of(model), work_of(Model.original(model.subject))
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


def reason(bar: Bar, facts: Facts) -> str:
    """One sentence on why this network takes this long in this runtime."""
    if bar.whose == "original":
        return N_("The model as loaded: what the others are compared with.")
    match bar.runtime:
        case Runtime.VARIANTS:
            return _of_variants(bar, facts)
        case Runtime.BF16:
            return _of_bf16(bar.ratio)
        case Runtime.ONNX_INT8:
            return _of_int8(bar.ratio, facts)
        case _:
            return _of_dense(bar, facts)


def _surely_faster(ratio: Number) -> bool:
    return ratio.low is not None and ratio.low > 1


def _of_variants(bar: Bar, facts: Facts) -> str:
    if not facts.other_variants:
        return N_("No layer is surely faster in another kernel variant, so this is the dense network.")
    if _surely_faster(bar.ratio):
        return Phrase(
            "{count} of {layers} layers run in a kernel variant that skips zeros or reads fewer bytes.",
            count=facts.other_variants,
            layers=facts.layers,
        )
    return Phrase(
        "{count} of {layers} layers are faster in another kernel variant, but what stands between them "
        "takes the rest of the time.",
        count=facts.other_variants,
        layers=facts.layers,
    )


def _of_bf16(ratio: Number) -> str:
    if _surely_faster(ratio):
        return N_("Half the bytes and faster multiplications, with 8 instead of 24 bits of precision.")
    return N_("Not faster: without instructions for bfloat16 a processor converts at every operation.")


def _of_int8(ratio: Number, facts: Facts) -> str:
    if not facts.whole_layers:
        return N_("No layer has both codes and a rounded input: codes are decoded to 32 bits before use.")
    if _surely_faster(ratio):
        return N_("Bytes are multiplied in place of 32-bit numbers.")
    return N_(
        "Not faster: rounding inputs and outputs costs what multiplying bytes saves in layers this small."
    )


def _of_dense(bar: Bar, facts: Facts) -> str:
    if facts.macs_kept < _FEWER:
        return _of_fewer(bar, facts)
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


def _of_fewer(bar: Bar, facts: Facts) -> str:
    kept = Phrase("It does {kept:.0%} of the original's multiplications", kept=facts.macs_kept)
    promised = 1 / max(facts.macs_kept, 1e-9)
    if not _surely_faster(bar.ratio):
        return Phrase(
            "{kept}, but at a batch of {batch} the time goes into calling {layers} layers, not into "
            "multiplying.",
            kept=kept,
            batch=bar.batch,
            layers=facts.layers,
        )
    if (bar.ratio.value or 0) < _SHORT_OF * promised:
        return Phrase(
            "{kept}; the time falls less, because calls and moved activations do not shrink as fast.",
            kept=kept,
        )
    return Phrase("{kept}, and the time follows.", kept=kept)
