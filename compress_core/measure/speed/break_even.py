"""From which share of zeros another variant beats a dense layer on this machine, measured."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress
from compress_core.foundation.texts import N_, Phrase
from compress_core.measure.speed.kernel_variants import KernelVariant, timed_variants
from compress_core.measure.speed.kernels import CsrProduct, CsrSums, GatheredLinear
from compress_core.measure.speed.rounds import Effort, Watch, one_thread

MatrixShape = tuple[int, int]
SHAPES: tuple[MatrixShape, ...] = ((100, 300), (300, 784), (768, 768))  # [out, in]
BATCHES = (1, 64)
SPARSITIES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
EFFORT = Effort(rounds_least=7, rounds_most=9, seconds=0.3, turn=0.002)


@dataclass(frozen=True)
class BreakEven:
    """A variant of one shape [out, in] at one batch size against a dense layer.

    ratios: how many times faster at each share of zeros; wins_from: the smallest share tried from which on
    it is surely faster, missing where it never is. Zeros are scattered for the sparse variants and whole
    columns for the gathered one; two factors hold as many weights as a layer of that sparsity keeps.
    """

    shape: MatrixShape
    batch: int
    variant: KernelVariant
    ratios: tuple[tuple[float, Number], ...]

    @property
    def wins_from(self) -> Number:
        """The smallest share of zeros from which on the variant is surely faster."""
        first: float | None = None
        for sparsity, ratio in reversed(self.ratios):
            if ratio.low is None or ratio.low <= 1:
                break
            first = sparsity
        if first is None:
            highest = self.ratios[-1][0]
            return Number.missing(
                "share", Phrase("It is not surely faster at {highest:.0%}.", highest=highest)
            )
        return Number(first, "share", "measured")


def break_even_table(
    watch: Watch,
    *,
    shapes: Sequence[MatrixShape] = SHAPES,
    batches: Sequence[int] = BATCHES,
    sparsities: Sequence[float] = SPARSITIES,
    effort: Effort = EFFORT,
    seed: int = 0,
) -> Generator[Progress, None, tuple[BreakEven, ...]]:
    """Time every variant at every share of zeros, ascending, against a dense layer of random weights."""
    generator = torch.Generator().manual_seed(seed)
    cases = [(shape, batch, variant) for shape in shapes for batch in batches for variant in _MADE]
    rows: list[BreakEven] = []
    with one_thread():
        for done, (shape, batch, variant) in enumerate(cases):
            yield Progress(done, len(cases), N_("break-even of kernel variants"))
            given = torch.randn(batch, shape[1], generator=generator)
            weight = torch.randn(shape, generator=generator)
            ratios = tuple((s, _ratio(weight, s, variant, given, watch, effort)) for s in sorted(sparsities))
            rows.append(BreakEven(shape, batch, variant, ratios))
    return tuple(rows)


def _ratio(
    weight: Tensor, sparsity: float, variant: KernelVariant, given: Tensor, watch: Watch, effort: Effort
) -> Number:
    dense, other = _MADE[variant](weight, sparsity)
    rounds = timed_variants({KernelVariant.DENSE: dense, variant: other}, given, watch, effort)
    return rounds.ratio(KernelVariant.DENSE.value, variant.value)


def _scattered(
    kind: Callable[[Tensor, Tensor], nn.Module],
) -> Callable[[Tensor, float], tuple[nn.Module, nn.Module]]:
    def made(weight: Tensor, sparsity: float) -> tuple[nn.Module, nn.Module]:
        matrix = _without(weight, weight.abs().flatten(), sparsity)
        return _dense(matrix), kind(matrix, weight.new_zeros(len(weight)))

    return made


def _columns(weight: Tensor, sparsity: float) -> tuple[nn.Module, nn.Module]:
    matrix = _without(weight, weight.norm(dim=0), sparsity)
    return _dense(matrix), GatheredLinear(matrix, weight.new_zeros(len(weight)))


def _without(weight: Tensor, scores: Tensor, sparsity: float) -> Tensor:
    """The weights [out, in] without that share of what has the lowest scores: weights or whole columns."""
    kept = torch.ones_like(scores, dtype=torch.bool)
    kept[scores.argsort()[: round(sparsity * len(scores))]] = False
    return weight * kept.view(-1, weight.shape[1])


def _factors(weight: Tensor, sparsity: float) -> tuple[nn.Module, nn.Module]:
    rows, columns = weight.shape
    rank = max(1, round((1 - sparsity) * rows * columns / (rows + columns)))
    first, second = weight[:rank], weight[:, :rank]
    one = nn.Linear(columns, rank, bias=False)
    two = nn.Linear(rank, rows)
    one.weight, two.weight = nn.Parameter(first), nn.Parameter(second)
    return _dense(weight), nn.Sequential(one, two).eval()


def _dense(matrix: Tensor) -> nn.Module:
    layer = nn.Linear(matrix.shape[1], matrix.shape[0])
    layer.weight = nn.Parameter(matrix)
    return layer.eval()


_MADE: dict[KernelVariant, Callable[[Tensor, float], tuple[nn.Module, nn.Module]]] = {
    KernelVariant.CSR: _scattered(CsrProduct),
    KernelVariant.CSR_SUMS: _scattered(CsrSums),
    KernelVariant.GATHERED: _columns,
    KernelVariant.LOW_RANK: _factors,
}
