"""Singular vectors of a weight as its inputs see it."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.numerics.second_order import damped
from compress_core.statistics import statistic
from compress_core.statistics.singular_vectors import SingularVectors

_DAMPING = 1e-6


@statistic
def whitened_vectors(weight: Tensor, hessian: Tensor) -> SingularVectors:
    """weight = left diag(values) right^T; a squared value is what the layer's output loses without it.

    weight [out, in * k], hessian [groups, in * k, in * k] float64 = root root^T; the decomposition is
    that of weight @ root, so right is root^-T v. Directions that no input has are kept faintly (a
    millionth of the mean): full rank then still gives back the weight.
    """
    largest = weight.abs().max().double().clamp_min(torch.finfo(torch.float64).tiny)
    parts = torch.unflatten(weight.double() / largest, 0, (hessian.shape[0], -1))
    squares, axes = torch.linalg.eigh(damped(hessian, _DAMPING))
    floor = squares[:, -1:] * _DAMPING**2
    root = squares.maximum(floor).sqrt().unsqueeze(1)
    left, values, other = torch.linalg.svd(parts @ axes * root, full_matrices=False)
    right = (axes / root) @ other.mT
    return SingularVectors(left.float(), values * largest, right.float())
