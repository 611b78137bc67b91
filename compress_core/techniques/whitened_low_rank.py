"""Low-rank factorization that looks at the layer's output."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from compress_core.numerics.factoring import Choose, Energy, Rank, ShareOfBytes
from compress_core.statistics.singular_vectors import SingularVectors
from compress_core.techniques.contract.results import Factored, Parts
from compress_core.techniques.contract.technique import technique
from compress_core.techniques.low_rank import low_rank


@technique
def whitened_low_rank(
    kernel: Tensor,
    whitened_vectors: SingularVectors,
    *,
    rank: Rank = None,
    choose: Choose = "energy",
    energy: Energy = 0.99,
    share_of_bytes: ShareOfBytes = 0.5,
) -> Annotated[Factored, Parts(2)]:
    """Replace a layer by two smaller ones that keep what its inputs really use.

    weight kernel [out, in, *k]; of all factors of that rank these have the smallest squared error of the
    layer's output on the calibration items, where plain `low_rank` has the smallest error of the weight.
    Energy counts the squared output.

    Wang et al. 2024, SVD-LLM, arXiv:2403.07378, section 3.1.
    """
    return low_rank(
        kernel, whitened_vectors, rank=rank, choose=choose, energy=energy, share_of_bytes=share_of_bytes
    )
