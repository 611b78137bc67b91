"""Tucker-2: a convolution between two 1 x 1 convolutions."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from compress_core.numerics.factoring import Choose, Energy, Rank, ShareOfBytes, most_weights, refuse_above
from compress_core.statistics.mode_vectors import ModeVectors, principal
from compress_core.techniques.contract.results import Factored, Parts
from compress_core.techniques.contract.technique import technique


@technique
def tucker(
    kernel: Tensor,
    mode_vectors: ModeVectors,
    *,
    rank_in: Rank = None,
    rank_out: Rank = None,
    choose: Choose = "energy",
    energy: Energy = 0.9,
    share_of_bytes: ShareOfBytes = 0.5,
    sweeps: Annotated[
        int, Field(ge=0, le=20, description="Rounds in which either side adapts to the other.")
    ] = 3,
) -> Annotated[Factored, Parts(3)]:
    """Replace a convolution by a thinner one between two of size 1, which narrow and widen its channels.

    weight kernel [out, in, *k] -> [rank_in, in, 1], [rank_out, rank_in, *k], [out, rank_out, 1]. The squared
    error is at most the sum of what both channel modes lose; sweeps only ever lower it.

    Kim et al. 2016, arXiv:1511.06530, section 3; sweeps: De Lathauwer et al. 2000, algorithm 4.2.
    """
    groups, outputs, inputs = *mode_vectors.output_power.shape, kernel.shape[1]
    free_in, free_out = _chosen(kernel, mode_vectors, (rank_in, rank_out), choose, energy, share_of_bytes)
    rank_in, rank_out = rank_in or free_in, rank_out or free_out
    refuse_above(rank_in, inputs, inputs, kernel.numel() // (groups * inputs))
    refuse_above(rank_out, outputs, outputs, kernel.shape[1:].numel())
    narrow, wide = mode_vectors.inputs[..., :rank_in], mode_vectors.outputs[..., :rank_out]
    core = mode_vectors.core[:, :rank_out, :rank_in]
    if sweeps:
        narrow, core, wide = _swept(mode_vectors, rank_in, rank_out, sweeps)
    return Factored(_kernels(kernel, narrow, core, wide, mode_vectors.largest))


def _swept(modes: ModeVectors, rank_in: int, rank_out: int, sweeps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Directions of the inputs, core and directions of the outputs, each side fitted to the other in turn."""
    whole = modes.core.double()
    narrow = torch.eye(whole.shape[2], rank_in, dtype=whole.dtype).expand(whole.shape[0], -1, -1)
    for _ in range(sweeps):
        wide = principal(torch.einsum("goik,gir->gork", whole, narrow).flatten(2))[1][..., :rank_out]
        narrow = principal(torch.einsum("goik,gos->gisk", whole, wide).flatten(2))[1][..., :rank_in]
    core = torch.einsum("goik,gir,gos->gsrk", whole, narrow, wide)
    return modes.inputs.double() @ narrow, core, modes.outputs.double() @ wide


def _kernels(
    kernel: Tensor, narrow: Tensor, core: Tensor, wide: Tensor, largest: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The three kernels, made equally large so that none overflows or is lost to rounding."""
    size = float(core.square().sum().sqrt()) * largest
    third = size ** (1 / 3) if size > 0 else 1.0
    ones, positions = (1,) * (kernel.dim() - 2), kernel.shape[2:]
    middle = core * (largest / third**2)
    return (
        (narrow.mT * third).reshape(-1, kernel.shape[1], *ones).float(),
        middle.reshape(-1, narrow.shape[2], *positions).float(),
        (wide * third).reshape(kernel.shape[0], -1, *ones).float(),
    )


def _chosen(
    kernel: Tensor,
    modes: ModeVectors,
    fixed: tuple[int | None, int | None],
    choose: str,
    energy: float,
    share: float,
) -> tuple[int, int]:
    """Ranks of the inputs and outputs: the weakest direction of either side goes first."""
    powers = [power.sum(dim=0).tolist() for power in (modes.input_power, modes.output_power)]
    ranks = [len(power) if rank is None else rank for rank, power in zip(fixed, powers, strict=True)]
    groups = modes.inputs.shape[0]
    most = kernel.numel() if choose == "energy" else most_weights(choose, share, kernel.numel())
    may_lose = (1 - energy) * sum(powers[0]) if choose == "energy" else float("inf")

    def weights() -> int:
        inputs, outputs = ranks
        core = groups * inputs * outputs * kernel.shape[2:].numel()
        return groups * inputs * kernel.shape[1] + core + kernel.shape[0] * outputs

    while choose == "energy" or weights() > most:
        free = [side for side in (0, 1) if fixed[side] is None and ranks[side] > 1]
        if not free:
            break
        side = min(free, key=lambda s: powers[s][ranks[s] - 1])
        may_lose -= powers[side][ranks[side] - 1]
        if may_lose < 0:
            break
        ranks[side] -= 1
    return ranks[0], ranks[1]
