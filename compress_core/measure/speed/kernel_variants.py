"""The best kernel variant of each layer, chosen by measuring it on what the layer really gets."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

import torch
from torch import Tensor, nn

from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress
from compress_core.foundation.texts import N_, Phrase
from compress_core.measure.speed.kernels import (
    CsrProduct,
    CsrSums,
    GatheredConvolution,
    GatheredLinear,
    Int8Rows,
    OnColumns,
    Unfolded,
    int8_rows,
    used,
)
from compress_core.measure.speed.rounds import Effort, Rounds, Watch, finished, in_turns, one_thread
from compress_core.network.layers.matrix_sites import (
    MatrixSite,
    find_pairs,
    find_sites,
    input_of,
    with_modules,
)

EFFORT = Effort(rounds_least=7, rounds_most=15, seconds=0.8, turn=0.002)
TOLERANCE = 1e-5  # of the largest output
SURELY = 1.05  # times faster than dense, at the lower end of the interval, from which a variant is taken
_SPARSE_FROM = 0.3  # share of zeros below which no sparse variant is worth a try


class KernelVariant(Enum):
    """How a layer is executed; the value names it in files, `title` on a page."""

    DENSE = "dense"
    CSR = "csr"
    CSR_SUMS = "csr_sums"
    GATHERED = "gathered"
    LOW_RANK = "low_rank"
    INT8 = "int8"

    @property
    def title(self) -> str:
        """Its name for a visitor."""
        return _TITLES[self]


_TITLES = {
    KernelVariant.DENSE: N_("dense"),
    KernelVariant.CSR: N_("CSR, 32-bit indices, sparse product"),
    KernelVariant.CSR_SUMS: N_("CSR, 32-bit indices, weighted sums"),
    KernelVariant.GATHERED: N_("gathered rows and columns"),
    KernelVariant.LOW_RANK: N_("two factors"),
    KernelVariant.INT8: N_("int8 weights"),
}


@dataclass(frozen=True)
class KernelVariantRow:
    """A layer in one variant: milliseconds for the batch, how many times faster, chosen or not, and why.

    Dense means as it would be in this place, on the same input: a transposed one slows it down.
    """

    layer: str
    variant: KernelVariant
    milliseconds: Number
    ratio: Number
    chosen: bool
    reason: str


@dataclass(frozen=True)
class KernelVariantTable:
    """All layers in all variants that could be tried, at one batch size.

    layers_ratio: all these layers alone, dense in the dense network over the chosen variants in theirs.
    """

    batch: int
    rows: tuple[KernelVariantRow, ...]
    layers_ratio: Number

    @property
    def choice(self) -> Mapping[str, KernelVariant]:
        """The variant of each layer that does not stay as it is."""
        stays = {KernelVariant.DENSE, KernelVariant.LOW_RANK}
        pairs = {row.layer for row in self.rows if row.variant is KernelVariant.LOW_RANK}
        chosen = {row.layer: row.variant for row in self.rows if row.chosen}
        other = {
            n: f for n, f in chosen.items() if f not in stays or (n in pairs and f is KernelVariant.DENSE)
        }
        return MappingProxyType(other)


@dataclass(frozen=True)
class _Candidate:
    """A variant that can be tried, or the reason why not; told: what speaks for it, in words."""

    variant: KernelVariant
    build: Callable[[], nn.Module] | None
    told: str


def with_kernel_variants(network: nn.Module, choice: Mapping[str, KernelVariant]) -> nn.Module:
    """A network that computes the same with some layers in other variants; the given one stays as it is.

    A factored layer chosen as dense is multiplied out.
    """
    merged = {
        name: module
        for name, module in find_pairs(network).items()
        if choice.get(name) is KernelVariant.DENSE
    }
    inside = tuple(f"{name}." for name in merged)
    built = {
        site.name: _build(site, choice[site.name])
        for site in find_sites(network)
        if choice.get(site.name, KernelVariant.DENSE) is not KernelVariant.DENSE
        and not site.name.startswith(inside)
    }
    return with_modules(network, built | merged)


def _build(site: MatrixSite, variant: KernelVariant) -> nn.Module:
    found = next(c for c in variant_candidates(site) if c.variant is variant)
    assert found.build is not None, "only a variant that can be tried is chosen"
    return found.build()


def variant_candidates(site: MatrixSite) -> tuple[_Candidate, ...]:
    """The variants of a layer beside dense, each with a way to build it or the reason why there is none."""
    if site.reason:
        return ()
    return (*_sparse(site), _gathered(site), _int8(site))


def _sparse(site: MatrixSite) -> tuple[_Candidate, ...]:
    zeros = float((site.matrix == 0).sum()) / max(1, site.matrix.numel())
    told = Phrase("{zeros:.1%} of its weights are zero", zeros=zeros)

    def build(kind: Callable[[Tensor, Tensor | None], OnColumns]) -> Callable[[], nn.Module]:
        if site.window is None:
            return lambda: kind(site.matrix, site.bias)
        window = site.window
        return lambda: Unfolded(kind(site.matrix, site.bias), window)

    kinds = {KernelVariant.CSR: CsrProduct, KernelVariant.CSR_SUMS: CsrSums}
    return tuple(
        _Candidate(variant, None if zeros < _SPARSE_FROM else build(kind), told)
        for variant, kind in kinds.items()
    )


def _gathered(site: MatrixSite) -> _Candidate:
    whole = site.matrix
    if site.window is not None:
        whole = site.matrix.view(len(site.matrix), site.channels, -1).any(2)
    rows, columns = used(whole)
    told = Phrase(
        "{rows} of {all_rows} outputs and {columns} of {all_columns} inputs have a weight other than zero",
        rows=len(rows),
        all_rows=whole.shape[0],
        columns=len(columns),
        all_columns=whole.shape[1],
    )
    if len(rows) == whole.shape[0] and len(columns) == whole.shape[1]:
        return _Candidate(KernelVariant.GATHERED, None, told)
    if site.window is not None:
        window = site.window
        return _Candidate(KernelVariant.GATHERED, lambda: GatheredConvolution(site, window), told)
    return _Candidate(KernelVariant.GATHERED, lambda: GatheredLinear(site.matrix, site.bias), told)


def _int8(site: MatrixSite) -> _Candidate:
    if site.window is not None:
        return _Candidate(KernelVariant.INT8, None, N_("torch has no int8 convolution that keeps its inputs"))
    if not hasattr(torch.ops.aten, "_weight_int8pack_mm"):
        return _Candidate(KernelVariant.INT8, None, N_("this torch multiplies no int8 weights"))
    found = int8_rows(site.matrix)
    if found is None:
        return _Candidate(
            KernelVariant.INT8, None, N_("its rows do not lie on the 256 evenly spaced levels of a byte")
        )
    told = N_("a quarter of the bytes, decoded while multiplying")
    return _Candidate(KernelVariant.INT8, lambda: Int8Rows(*found, site.bias), told)


def choose_kernel_variants(
    network: nn.Module, batch: Tensor, watch: Watch, *, effort: Effort = EFFORT
) -> Generator[Progress, None, KernelVariantTable]:
    """Time every variant of every layer on what it gets when the batch [N, ...] goes through the network.

    Layers are decided front to back, since a variant also decides how its outputs lie in memory. A variant is
    chosen where even the lower end of its interval is faster than dense by a twentieth.
    """
    sites, pairs = find_sites(network), find_pairs(network)
    total = len(sites) + len(pairs)
    rows: list[KernelVariantRow] = []
    current = network
    with one_thread():
        for done, site in enumerate(sites):
            yield Progress(done, total, site.name)
            found = _try(current, site, batch, watch, effort)
            rows += found
            chosen = next((row.variant for row in found if row.chosen), KernelVariant.DENSE)
            if chosen is not KernelVariant.DENSE:
                current = with_modules(current, {site.name: _build(site, chosen)})
        for done, (name, merged) in enumerate(pairs.items(), len(sites)):
            yield Progress(done, total, name)
            rows += _try_pair(current, name, merged, batch, watch, effort)
        table = KernelVariantTable(
            len(batch), tuple(rows), Number.missing("ratio", N_("No layer changed its kernel variant."))
        )
        if not table.choice:
            return table
        ratio = layers_ratio(network, with_kernel_variants(network, table.choice), batch, watch, effort)
        return replace(table, layers_ratio=ratio)


def layers_ratio(
    network: nn.Module, chosen: nn.Module, batch: Tensor, watch: Watch, effort: Effort = EFFORT
) -> Number:
    """How many times faster all Linears and convolutions of `chosen` are on what batch [N, ...] brings."""
    names = [site.name for site in find_sites(network)]
    sides = {"dense": layers_alone(network, names, batch), "chosen": layers_alone(chosen, names, batch)}
    return finished(in_turns(sides, watch, effort)).ratio("dense", "chosen")


def layers_alone(network: nn.Module, names: Sequence[str], batch: Tensor) -> Callable[[], object]:
    """A function that runs these modules, where they are there, on what each gets of the batch [N, ...]."""
    there = dict(network.named_modules())
    given = {name: input_of(network, name, batch) for name in names if name in there}
    calls = [_call(there[name], x) for name, x in given.items() if x is not None]
    return lambda: [call() for call in calls]


def _try(
    current: nn.Module, site: MatrixSite, batch: Tensor, watch: Watch, effort: Effort
) -> list[KernelVariantRow]:
    given = input_of(current, site.name, batch)
    if site.reason or given is None:
        reason = site.reason or N_("it is not called as a module")
        missing = Number.missing("ms", reason), Number.missing("ratio", reason)
        return [KernelVariantRow(site.name, KernelVariant.DENSE, *missing, True, reason)]
    tried = variant_candidates(site)
    modules = {c.variant: c.build() for c in tried if c.build is not None}
    modules = {KernelVariant.DENSE: current.get_submodule(site.name)} | modules
    rounds = timed_variants(modules, given, watch, effort)
    equal = {
        variant for variant, module in modules.items() if _same(module, modules[KernelVariant.DENSE], given)
    }
    best = _fastest({variant: rounds.ratio("dense", variant.value) for variant in equal})
    dense = _Candidate(KernelVariant.DENSE, None, N_("every weight is multiplied, zeros too"))
    return [_row(site.name, c, rounds, c.variant is best, c.variant in equal) for c in (dense, *tried)]


def timed_variants(
    modules: Mapping[KernelVariant, nn.Module], given: Tensor, watch: Watch, effort: Effort
) -> Rounds:
    """Modules in turns on one input [N, ...]; the names of the sides are the values of the variants."""
    sides = {variant.value: _call(module, given) for variant, module in modules.items()}
    return finished(in_turns(sides, watch, effort))


def _call(module: nn.Module, given: Tensor) -> Callable[[], object]:
    @torch.inference_mode()
    def run() -> object:
        return module(given)

    return run


@torch.inference_mode()
def _same(module: nn.Module, dense: nn.Module, given: Tensor) -> bool:
    expected = dense(given)
    room = TOLERANCE * max(1.0, float(expected.abs().max()))
    return bool(((module(given) - expected).abs() <= room).all())


def _fastest(ratios: Mapping[KernelVariant, Number]) -> KernelVariant:
    """Dense, unless another variant is surely faster; ratios hold dense itself as about 1."""
    sure = {
        variant: r.value
        for variant, r in ratios.items()
        if variant is not KernelVariant.DENSE and (r.low or 0) > SURELY
    }
    return max(sure, key=lambda variant: sure[variant] or 0, default=KernelVariant.DENSE)


def _row(layer: str, candidate: _Candidate, rounds: Rounds, chosen: bool, equal: bool) -> KernelVariantRow:
    variant = candidate.variant
    if variant.value not in rounds.names:
        told = candidate.told
        return KernelVariantRow(
            layer,
            variant,
            Number.missing("ms", told),
            Number.missing("ratio", told),
            chosen=False,
            reason=told,
        )
    ratio = rounds.ratio(KernelVariant.DENSE.value, variant.value)
    reason = _why(candidate, ratio, chosen) if equal else N_("its outputs differ from the dense ones")
    return KernelVariantRow(layer, variant, rounds.milliseconds(variant.value), ratio, chosen, reason)


def _why(candidate: _Candidate, ratio: Number, chosen: bool) -> str:
    if candidate.variant is KernelVariant.DENSE:
        return N_("nothing tried is surely faster") if chosen else candidate.told
    if chosen:
        return Phrase("{fact}: the fastest of those tried", fact=candidate.told)
    if (ratio.low or 0) > SURELY:
        return Phrase(
            "{fact}: faster than dense, but another kernel variant is faster still", fact=candidate.told
        )
    return Phrase("{fact}: not surely faster than dense here", fact=candidate.told)


def _try_pair(
    current: nn.Module, name: str, merged: nn.Module, batch: Tensor, watch: Watch, effort: Effort
) -> list[KernelVariantRow]:
    """A factored layer as it stands beside its product as one dense layer."""
    given = input_of(current, name, batch)
    if given is None:
        return []
    pair = current.get_submodule(name)
    rounds = timed_variants({KernelVariant.DENSE: merged, KernelVariant.LOW_RANK: pair}, given, watch, effort)
    faster = rounds.ratio(KernelVariant.DENSE.value, KernelVariant.LOW_RANK.value)
    multiplied_out = (faster.high or 0) < 1
    small, whole = (sum(w.numel() for w in m.parameters() if w.dim() > 1) for m in (pair, merged))
    told = Phrase("{small:,} weights instead of {whole:,}", small=small, whole=whole)
    low_rank = _Candidate(KernelVariant.LOW_RANK, None, told)
    dense = _Candidate(KernelVariant.DENSE, None, N_("the product of both factors as one layer"))
    rows = [_row(name, c, rounds, c.variant is KernelVariant.LOW_RANK, True) for c in (dense, low_rank)]
    if multiplied_out:
        return [
            replace(rows[0], chosen=True, reason=N_("one layer is surely faster than its two factors")),
            replace(rows[1], chosen=False, reason=Phrase("{fact}: slower than one dense layer", fact=told)),
        ]
    return rows
