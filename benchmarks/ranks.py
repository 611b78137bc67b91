"""The rank slider, and the factors it starts from."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.clock import Case, Side
from benchmarks.networks import Size, one_convolution, one_linear
from benchmarks.visitor import moved, weight_of
from compress_core.apply.views.weight_view import derive
from compress_core.foundation.store import Store
from compress_core.measure.tables.knob_tables import rank_table
from compress_core.statistics.singular_vectors import SingularVectors

_JUMP = 13

Factors = tuple[Tensor, Tensor, Tensor]


def cases(size: Size) -> Iterator[Case]:
    """Weights at a rank, numbers of a rank, factors for the first time."""
    yield from _slider(size)
    yield _factors(size)


def _svd(weight: Tensor) -> Factors:
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    return left, values, right


def _slider(size: Size) -> Iterator[Case]:
    subject, store = one_linear(size), Store()
    weight = weight_of(subject, "fc")
    ours_once: SingularVectors = derive(subject, "fc", "singular_vectors", store)

    def rank_of(turn: int) -> int:
        """Ranks within a third of the one named, that one first."""
        around = size.rank // 3
        return size.rank - around + (around + turn * _JUMP) % (2 * around + 1)

    def by_torch(rank: int) -> Tensor:
        left, values, right = _svd(weight)
        return (left[:, :rank] * values[:rank]) @ right[:rank]

    def as_the_app(turn: int) -> Tensor:
        return moved(subject, store, ["fc"], "low_rank", rank=rank_of(turn)).compressed["fc"].values

    def bare(turn: int) -> Tensor:
        rank = rank_of(turn)
        left = ours_once.left[0, :, :rank] * ours_once.values[0, :rank].float()
        return left @ ours_once.right[0, :, :rank].T

    def numbers(turn: int) -> float:
        table = rank_table(subject, "fc", store)
        return float(table.error[turn % len(table.error)])

    def same_loss(peer: Factors, ours: float) -> bool:
        _, values, _ = peer
        rank = int(rank_table(subject, "fc", store).rank[0])
        return abs(float(values[rank:].square().sum() / values.square().sum()) - ours) < 1e-5

    def equally_near(peer: Tensor, ours: Tensor) -> bool:
        return float((ours - weight).norm()) <= float((peer - weight).norm()) * (1 + 1e-5)

    shape = " x ".join(map(str, weight.shape))
    svd = Side("torch.linalg.svd", by_torch, rank_of)
    yield Case(
        f"rank slider, {shape}, weights at rank {size.rank}",
        svd,
        Side("slimscope", as_the_app),
        equally_near,
        25,
    )
    yield Case("  the same without the recipe", svd, Side("slimscope, bare", bare), equally_near)
    alone = Side("torch.linalg.svd", lambda _: _svd(weight))
    yield Case(
        "  numbers only (weights, bytes, MACs, error)", alone, Side("slimscope", numbers), same_loss, 500
    )


def _factors(size: Size) -> Case:
    subject = one_convolution(size)
    weight = weight_of(subject, "conv")

    def ours(store: Store) -> SingularVectors:
        vectors: SingularVectors = derive(subject, "conv", "singular_vectors", store)
        return vectors

    def same_values(peer: Factors, found: SingularVectors) -> bool:
        largest = float(peer[1][0])
        return bool(torch.allclose(peer[1].double(), found.values[0], rtol=0, atol=1e-5 * largest))

    return Case(
        f"factors, once, {' x '.join(map(str, weight.shape))}",
        Side("torch.linalg.svd", lambda _: _svd(weight)),
        Side("slimscope", ours, lambda _: Store()),
        same_values,
        8,
    )
