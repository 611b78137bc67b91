"""Singular vectors of a weight, group by group."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.statistics import statistic


@dataclass(frozen=True)
class SingularVectors:
    """weight[g] = left[g] @ diag(values[g]) @ right[g].T; values [groups, r] descend.

    left [groups, out / groups, r], right [groups, in * k, r], r = min of the two.
    """

    left: Tensor
    values: Tensor
    right: Tensor

    @property
    def energy(self) -> Tensor:
        """Share of the squared singular values that the first i keep, all groups together [r]."""
        squared = self.values.double().square().sum(dim=0)
        return squared.cumsum(0) / squared.sum().clamp_min(torch.finfo(torch.float64).tiny)


@statistic
def singular_vectors(weight: Tensor, groups: int) -> SingularVectors:
    """Singular value decomposition by way of the smaller Gram matrix, in float64.

    weight [out, in * k]. The Gram matrix squares the condition number; double precision pays for it.
    """
    parts = weight.double().unflatten(0, (groups, -1))
    tall = parts.shape[1] >= parts.shape[2]
    gram = parts.mT @ parts if tall else parts @ parts.mT
    squared, vectors = torch.linalg.eigh(gram)
    values = squared.clamp_min(0).sqrt().flip(-1)
    vectors = vectors.flip(-1)
    other = (parts if tall else parts.mT) @ vectors / values.clamp_min(1e-300).unsqueeze(1)
    other = torch.where(values.unsqueeze(1) > values[:, :1, None] * 1e-7, other, 0.0)
    left, right = (other, vectors) if tall else (vectors, other)
    return SingularVectors(left.float(), values.float(), right.float())
