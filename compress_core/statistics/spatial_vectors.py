"""Singular vectors of a two-dimensional convolution between its height and its width."""

from __future__ import annotations

from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.statistics import statistic
from compress_core.statistics.singular_vectors import SingularVectors, singular_vectors


@statistic
def spatial_vectors(kernel: Tensor, groups: int) -> SingularVectors:
    """Singular vectors of a matrix whose rows are (output, column) and whose columns are (input, row).

    kernel [out, in, height, width] -> left [groups, out / groups * width, r], right [groups, in * height, r].

    Raises Refused for what is no two-dimensional convolution.
    """
    if kernel.dim() != 4:
        raise Refused(
            "A weight of {axes} axes has no height and width to be taken apart: "
            "factor a two-dimensional convolution, or use low_rank.",
            axes=kernel.dim(),
        )
    inputs, height = kernel.shape[1:3]
    return singular_vectors(kernel.permute(0, 3, 1, 2).reshape(-1, inputs * height), groups)
