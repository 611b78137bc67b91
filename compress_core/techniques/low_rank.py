"""Low-rank factorisation by truncated singular values."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from compress_core.answers import Factored
from compress_core.errors import Refused
from compress_core.knobs import Step, Unit
from compress_core.statistics.singular_vectors import SingularVectors
from compress_core.technique import technique


@technique
def low_rank(
    weight: Tensor,
    singular_vectors: SingularVectors,
    *,
    rank: Annotated[
        int | None,
        Field(ge=1, le=65536, description="Singular values kept in each group; leave out to use the energy."),
    ] = None,
    energy: Annotated[
        float,
        Field(gt=0, le=1, description="Share of the squared singular values to keep when no rank is given."),
        Unit("share"),
        Step(0.001),
    ] = 0.9,
) -> Factored:
    """Replace a layer by two smaller ones that keep its strongest directions.

    weight [out, in * k]; a convolution becomes one with `rank` outputs and a 1 x 1 convolution.
    Of all factors of that rank these have the smallest squared error.

    Eckart and Young 1936; for convolutions Jaderberg et al. 2014, arXiv:1405.3866.
    """
    values = singular_vectors.values
    highest = values.shape[1]
    if rank is None:
        short = singular_vectors.energy < energy - 1e-9
        rank = min(highest, int(short.count_nonzero()) + 1)
    if rank > highest:
        raise Refused(
            "A weight of {rows} x {columns} has rank {highest} at most, but rank {rank} was asked for: "
            "choose a smaller one.",
            rows=weight.shape[0] // values.shape[0],
            columns=weight.shape[1],
            highest=highest,
            rank=rank,
        )
    root = values[:, :rank].sqrt().float()
    first = singular_vectors.right[:, :, :rank].mT * root.unsqueeze(2)
    second = singular_vectors.left[:, :, :rank] * root.unsqueeze(1)
    return Factored(first.contiguous(), second.contiguous())
