"""The directions of a convolution's input and output channels, the strongest first."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.errors import Refused
from compress_core.statistics import statistic


@dataclass(frozen=True)
class ModeVectors:
    """Orthonormal directions of the channels, and the squared weights that lie along each.

    outputs [groups, out / groups, out / groups], inputs [groups, in, in], float64; their powers
    [groups, out / groups] and [groups, in] descend and are in units of the largest weight squared.
    """

    outputs: Tensor
    inputs: Tensor
    output_power: Tensor
    input_power: Tensor
    largest: float


@statistic
def mode_vectors(kernel: Tensor, groups: int) -> ModeVectors:
    """Higher-order singular vectors of a convolution in its two channel modes, group by group.

    kernel [out, in, *k]. De Lathauwer et al. 2000, A Multilinear Singular Value Decomposition.

    Raises Refused for what is no convolution.
    """
    if kernel.dim() < 3:
        raise Refused(
            "A weight without kernel positions has no channels to be taken apart from them: "
            "factor a convolution, or use low_rank."
        )
    largest = float(kernel.abs().max())
    parts = torch.unflatten(kernel.double() / (largest or 1.0), 0, (groups, -1)).flatten(3)
    output_power, outputs = principal(parts.flatten(2))
    input_power, inputs = principal(parts.transpose(1, 2).flatten(2))
    return ModeVectors(outputs, inputs, output_power, input_power, largest)


def principal(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Squared singular values [groups, n] descending, and left singular vectors [groups, n, n] of rows."""
    power, vectors = torch.linalg.eigh(rows @ rows.mT)
    return power.clamp_min(0).flip(-1), vectors.flip(-1)
