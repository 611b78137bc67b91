"""A convolution as one along its height and one along its width."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from compress_core.numerics.factoring import Choose, Energy, Rank, ShareOfBytes, chosen_rank, refuse_above
from compress_core.statistics.singular_vectors import SingularVectors
from compress_core.techniques.contract.results import Factored, Parts
from compress_core.techniques.contract.technique import technique


@technique
def spatial(
    kernel: Tensor,
    spatial_vectors: SingularVectors,
    *,
    rank: Rank = None,
    choose: Choose = "energy",
    energy: Energy = 0.9,
    share_of_bytes: ShareOfBytes = 0.5,
) -> Annotated[Factored, Parts(2)]:
    """Replace a two-dimensional convolution by a vertical one and a horizontal one.

    weight kernel [out, in, height, width] -> [rank, in, height, 1] and [out, rank, 1, width]; of all such
    pairs of that rank these have the smallest squared error.

    Jaderberg et al. 2014, arXiv:1405.3866, scheme 2; in closed form Tai et al. 2016, arXiv:1511.06067.
    """
    groups, highest = spatial_vectors.values.shape
    outputs, inputs, height, width = kernel.shape
    if rank is None:
        each = groups * inputs * height + outputs * width
        rank = chosen_rank(
            spatial_vectors.energy, lambda r: r * each, kernel.numel(), choose, energy, share_of_bytes
        )
    refuse_above(rank, highest, outputs // groups * width, inputs * height)
    first, second = spatial_vectors.halves(rank)
    horizontal = second.reshape(outputs, width, rank).transpose(1, 2).unsqueeze(2)
    return Factored((first.reshape(-1, inputs, height, 1), horizontal.contiguous()))
