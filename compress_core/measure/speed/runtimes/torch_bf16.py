"""Torch with weights and activations in bfloat16: other numbers than the evaluated ones."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_, Phrase
from compress_core.measure.speed.facts import Facts
from compress_core.measure.speed.reasons import of_dense
from compress_core.measure.speed.runtime import BatchFunction, TimedModel, Who, runtime
from compress_core.network.shared_copy import own_copy


def _reason(ratio: Number, batch: int, facts: Facts) -> str:
    """Beside the original in bfloat16, which has half of the bytes and 8 bits of precision as well."""
    return Phrase(
        "{why} It is compared with the original in bfloat16, whose bar says what half the bytes and 8 "
        "instead of 24 bits of precision gain by themselves.",
        why=of_dense(ratio, batch, facts),
    )


@runtime(title=N_("torch, bfloat16"), base="torch_bf16", order=3, who=Who.BOTH, reason=_reason)
def torch_bf16(side: TimedModel) -> BatchFunction:
    """The network in bfloat16.

    Items go in and outputs come out in float32; converting them is part of the time.
    """
    half = own_copy(side.network).to(torch.bfloat16)  # in place, so on tensors of its own

    @torch.inference_mode()
    def run(batch: Tensor) -> Tensor:
        outputs: Tensor = half(batch.to(torch.bfloat16) if batch.is_floating_point() else batch)
        return outputs.float()

    return run
