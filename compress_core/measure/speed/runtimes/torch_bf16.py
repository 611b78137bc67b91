"""Torch with weights and activations in bfloat16: other numbers than the evaluated ones."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.speed.facts import Facts
from compress_core.measure.speed.reasons import surely_faster
from compress_core.measure.speed.runtime import REFERENCE, BatchFunction, TimedModel, Who, runtime
from compress_core.network.shared_copy import own_copy


def _reason(ratio: Number, _batch: int, _facts: Facts) -> str:
    if surely_faster(ratio):
        return N_("Half the bytes and faster multiplications, with 8 instead of 24 bits of precision.")
    return N_("Not faster: without instructions for bfloat16 a processor converts at every operation.")


@runtime(title=N_("torch, bfloat16"), base=REFERENCE, order=3, who=Who.SHOWN, reason=_reason)
def torch_bf16(side: TimedModel) -> BatchFunction:
    """The network in bfloat16.

    Items go in and outputs come out in float32; converting them is part of the time.
    """
    half = own_copy(side.network).to(torch.bfloat16)  # in place, so on tensors of its own

    @torch.inference_mode()
    def run(batch: Tensor) -> Tensor:
        outputs: Tensor = half(batch.to(torch.bfloat16))
        return outputs.float()

    return run
