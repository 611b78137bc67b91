"""Low-rank factorization by truncated singular values."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from compress_core.numerics.factoring import Choose, Energy, Rank, ShareOfBytes, chosen_rank, refuse_above
from compress_core.statistics.singular_vectors import SingularVectors
from compress_core.techniques.contract.results import Factored, Parts
from compress_core.techniques.contract.technique import technique


@technique
def low_rank(
    kernel: Tensor,
    singular_vectors: SingularVectors,
    *,
    rank: Rank = None,
    choose: Choose = "energy",
    energy: Energy = 0.9,
    share_of_bytes: ShareOfBytes = 0.5,
) -> Annotated[Factored, Parts(2)]:
    """Replace a layer by two smaller ones that keep its strongest directions.

    weight kernel [out, in, *k]; a convolution becomes one with `rank` outputs and a 1 x 1 convolution.
    Of all factors of that rank these have the smallest squared error.

    Eckart and Young 1936; for convolutions Jaderberg et al. 2014, arXiv:1405.3866.
    """
    groups, highest = singular_vectors.values.shape
    rows, columns = kernel.shape[0], kernel.shape[1:].numel()
    if rank is None:
        each = groups * columns + rows
        rank = chosen_rank(
            singular_vectors.energy, lambda r: r * each, kernel.numel(), choose, energy, share_of_bytes
        )
    refuse_above(rank, highest, rows // groups, columns)
    first, second = singular_vectors.halves(rank)
    ones = (1,) * (kernel.dim() - 2)
    return Factored((first.reshape(-1, *kernel.shape[1:]), second.reshape(rows, rank, *ones)))
