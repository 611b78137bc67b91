"""Torch itself, operation by operation."""

from __future__ import annotations

from compress_core.foundation.texts import N_
from compress_core.measure.speed.reasons import of_dense
from compress_core.measure.speed.runtime import REFERENCE, BatchFunction, TimedModel, Who, in_torch, runtime


@runtime(title=N_("torch"), base=REFERENCE, order=1, who=Who.BOTH, reason=of_dense)
def torch(side: TimedModel) -> BatchFunction:
    """The network as torch runs it, in float32."""
    return in_torch(side.network)
