"""How the inputs of a layer go together once the layers before it are compressed."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from compress_core.statistics import statistic
from compress_core.statistics.hessian import second_moment


@statistic
def compressed_hessian(compressed_inputs: Iterable[Tensor]) -> Tensor:
    """Mean of x x^T [in, in] of what the layer reads behind its compressed predecessors, as `hessian`."""
    return second_moment(compressed_inputs)
