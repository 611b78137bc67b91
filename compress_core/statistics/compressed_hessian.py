"""How the inputs of a layer go together once the layers before it are compressed."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from compress_core.statistics import added_up, adds_up
from compress_core.statistics.hessian import SecondMoment


@adds_up(SecondMoment)
def compressed_hessian(compressed_inputs: Iterable[Tensor]) -> Tensor:
    """Mean of x x^T [in, in] of what the layer reads behind its compressed predecessors, as `hessian`."""
    return added_up(SecondMoment(), compressed_inputs)
