"""Torch, with each layer in the kernel variant that is fastest on this machine."""

from __future__ import annotations

from collections.abc import Generator

from torch import Tensor

from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress
from compress_core.foundation.texts import N_, Phrase
from compress_core.measure.speed.facts import Facts
from compress_core.measure.speed.kernel_variants import choose_kernel_variants, with_kernel_variants
from compress_core.measure.speed.reasons import surely_faster
from compress_core.measure.speed.rounds import Watch
from compress_core.measure.speed.runtime import REFERENCE, TimedModel, Tuned, Who, in_torch, runtime


def _reason(ratio: Number, _batch: int, facts: Facts) -> str:
    if not facts.other_variants:
        return N_("No layer is surely faster in another kernel variant, so this is the dense network.")
    if surely_faster(ratio):
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


@runtime(
    title=N_("torch, best kernel variant of each layer"),
    base=REFERENCE,
    order=2,
    who=Who.COMPRESSED,
    reason=_reason,
)
def torch_variants(side: TimedModel, items: Tensor, watch: Watch) -> Generator[Progress, None, Tuned]:
    """A network whose layers stand in their best kernel variants for these items [N, ...]."""
    table = yield from choose_kernel_variants(side.network, items, watch)
    return Tuned(lambda: in_torch(with_kernel_variants(side.network, table.choice)), table)
