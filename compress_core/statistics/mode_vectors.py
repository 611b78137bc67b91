"""The directions of a convolution's input and output channels, the strongest first."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.statistics import statistic
from compress_core.statistics.singular_vectors import lower_gram


@dataclass(frozen=True)
class ModeVectors:
    """kernel = core seen along orthonormal directions of its channels, times the largest weight.

    core [groups, out / groups, in, positions], outputs [groups, out / groups, out / groups] and inputs
    [groups, in, in] with a direction in each column; their powers, the squared weights along each,
    descend [groups, out / groups] and [groups, in] float64. A smaller core is the first of each.
    """

    core: Tensor
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
    parts = torch.unflatten(kernel / (largest or 1.0), 0, (groups, -1)).flatten(3)
    output_power, outputs = principal(parts.flatten(2).double())
    input_power, inputs = principal(parts.transpose(1, 2).flatten(2).double())
    outputs, inputs = outputs.float(), inputs.float()
    turned = torch.einsum("goik,gos->gsik", parts, outputs)
    core = torch.einsum("gsik,gir->gsrk", turned, inputs).contiguous()
    return ModeVectors(core, outputs, inputs, output_power, input_power, largest)


def principal(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Squared singular values [groups, n] descending, and left singular vectors [groups, n, n] of rows."""
    power, vectors = torch.linalg.eigh(lower_gram(rows))
    return power.clamp_min(0).flip(-1), vectors.flip(-1)
