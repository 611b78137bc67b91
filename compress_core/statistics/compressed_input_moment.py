"""How the inputs of a layer go together once the layers before it are compressed."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from compress_core.statistics import statistic
from compress_core.statistics.input_moment import second_moment


@statistic
def compressed_input_moment(compressed_inputs: Iterable[Tensor]) -> Tensor:
    """Mean of x x^T of what the layer reads behind its compressed predecessors, as `input_moment`."""
    return second_moment(compressed_inputs)
