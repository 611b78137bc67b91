"""Singular vectors of a weight, group by group."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.statistics import statistic

_STRIPS = 4  # in so many strips of rows the products above the diagonal are mostly left out


@dataclass(frozen=True)
class SingularVectors:
    """weight[g] = left[g] @ diag(values[g]) @ right[g].T; values [groups, r] float64 descend.

    left [groups, out / groups, r], right [groups, in * k, r], r = min of the two. The values of
    large weights do not fit float32.
    """

    left: Tensor
    values: Tensor
    right: Tensor

    @property
    def energy(self) -> Tensor:
        """Share of the squared singular values that the first i keep, all groups together [r]."""
        relative = self.values / self.values.max().clamp_min(torch.finfo(torch.float64).tiny)
        kept = relative.square().sum(dim=0).cumsum(0)
        return kept / kept[-1] if kept[-1] > 0 else torch.ones_like(kept)

    def halves(self, rank: int) -> tuple[Tensor, Tensor]:
        """first [groups, rank, in * k], second [groups, out / groups, rank]: second @ first is nearest."""
        root = self.values[:, :rank].sqrt().float()
        first = self.right[:, :, :rank].mT * root.unsqueeze(2)
        second = self.left[:, :, :rank] * root.unsqueeze(1)
        return first.contiguous(), second.contiguous()


@statistic
def singular_vectors(weight: Tensor, groups: int) -> SingularVectors:
    """Singular value decomposition by way of the smaller Gram matrix, in float64.

    weight [out, in * k]. The Gram matrix squares the condition number; double precision pays for it.
    """
    largest = torch.maximum(weight.max(), -weight.min())
    parts = torch.unflatten(weight / torch.where(largest > 0, largest, 1.0), 0, (groups, -1))
    tall = parts.shape[1] >= parts.shape[2]
    exact = parts.double()
    squared, vectors = torch.linalg.eigh(lower_gram(exact.mT if tall else exact))
    values, one = squared.clamp_min(0).sqrt().flip(-1), vectors.flip(-1)
    # no direction belongs to a value that is nothing but rounding
    weak = (values <= values[:, :1] * 1e-7).unsqueeze(1)
    scaled = (one / values.unsqueeze(1)).masked_fill(weak, 0.0).float()
    other = parts @ scaled if tall else (scaled.mT @ parts).mT
    left, right = (other, one.float()) if tall else (one.float(), other)
    return SingularVectors(left, values * largest.double(), right)


def lower_gram(rows: Tensor) -> Tensor:
    """rows @ rows.mT [groups, n, n] as far as an eigen-decomposition reads it: on and below the diagonal."""
    count = rows.shape[1]
    gram = rows.new_zeros(rows.shape[0], count, count)
    for start in range(0, count, max(1, -(-count // _STRIPS))):
        end = min(count, start + -(-count // _STRIPS))
        gram[:, start:end, :end] = rows[:, start:end] @ rows[:, :end].mT
    return gram
