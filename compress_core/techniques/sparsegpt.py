"""Pruning in which the weights that stay make up for those that go."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import SliderStep, Unit
from compress_core.numerics.second_order import Damping, better_rows, inverse_factor, spans_of, swept
from compress_core.selection.patterns import NOfM, checked_pattern, parse_pattern
from compress_core.selection.select import USUAL_SHARE, exact_count
from compress_core.techniques.contract.results import Pruned
from compress_core.techniques.contract.technique import technique


@technique
def sparsegpt(
    weight: Tensor,
    kernel: Tensor,
    compressed_hessian: Tensor,
    *,
    sparsity: Annotated[
        float | None,
        Field(
            ge=0, le=1, description="Share of the weights set to zero; left out, that of n:m, or one half."
        ),
        Unit("share"),
        SliderStep(0.001),
    ] = None,
    pattern: Annotated[
        str,
        Field(
            pattern=r"^(unstructured|[1-9]\d{0,2}:[1-9]\d{0,2})$",
            description="Any weights, or at most n of every m neighboring inputs kept, written n:m.",
            examples=["unstructured", "1:4", "2:4", "4:8"],
        ),
        AfterValidator(checked_pattern),
    ] = "unstructured",
    block: Annotated[
        int, Field(ge=1, le=4096, description="Inputs among which the weights that go are chosen together.")
    ] = 128,
    damping: Damping = 0.01,
) -> Pruned:
    """Prune one input after the other, and let the weights still to come make up for the change in output.

    weight [out, in * k], kernel [out, in, *k]. Inputs are those that the layers before produce now. Every
    block loses the same share, so that exactly the share of all weights goes. Where keeping a row's
    weights as they were happens to err less, the row does: no error of the output on the calibration
    items is above that of the same zeros without the update.

    Frantar and Alistarh 2023, SparseGPT, arXiv:2301.00774, algorithm 1.
    """
    counts, moment = _counts(pattern, sparsity, kernel), compressed_hessian
    places = _by_position(kernel) if counts else torch.arange(weight.shape[1])
    exact = weight.double().view(len(moment), -1, weight.shape[1])[:, :, places]
    seen = moment[:, places][:, :, places]
    factor = inverse_factor(seen, damping)
    if counts:
        positions, channels = kernel[0, 0].numel(), kernel.shape[1]
        spans = [range(p * channels + s.start, p * channels + s.stop)
                 for p in range(positions) for s in spans_of(channels, counts.m)]  # fmt: skip
        choice = _Choice(exact, factor, kept_of_span=counts.n)
    else:
        spans = spans_of(weight.shape[1], block)
        choice = _Choice(exact, factor, share=USUAL_SHARE if sparsity is None else sparsity)
    updated = swept(exact, factor, spans, choice.start, choice.fixed)
    as_before = torch.where(choice.mask, exact, 0.0)
    values = torch.where(better_rows(updated, as_before, exact, seen), updated, as_before)
    back = places.argsort()
    largest = torch.finfo(weight.dtype).max
    return Pruned(
        choice.mask.flatten(0, 1)[:, back], values.flatten(0, 1)[:, back].clamp(-largest, largest).float()
    )


class _Choice:
    """Which weights of each span go: those whose removal costs least once the others have made up for it."""

    def __init__(
        self, weight: Tensor, factor: Tensor, *, share: float = 0.0, kept_of_span: int | None = None
    ) -> None:
        self.mask = torch.ones(weight.shape, dtype=torch.bool)
        self._diagonal = factor.diagonal(dim1=1, dim2=2).unsqueeze(1)
        self._share, self._kept_of_span = share, kept_of_span
        self._removed = 0

    def start(self, values: Tensor, span: range) -> None:
        """values [groups, rows, span] as they are now."""
        cost = (values / self._diagonal[:, :, span.start : span.stop]).square()
        stays = self.mask[:, :, span.start : span.stop]
        if self._kept_of_span is not None:
            goes = torch.sort(cost, dim=2, descending=True, stable=True).indices[..., self._kept_of_span :]
            stays.scatter_(2, goes, value=False)
            return
        count = exact_count(self._share, values[..., 0].numel() * span.stop) - self._removed
        self._removed += count
        goes = torch.sort(cost.reshape(-1), stable=True).indices[:count]
        stays[torch.unravel_index(goes, cost.shape)] = False

    def fixed(self, column: Tensor, index: int) -> Tensor:
        """What becomes of an input's values [groups, rows]."""
        return torch.where(self.mask[:, :, index], column, 0.0)


def _counts(pattern: str, sparsity: float | None, kernel: Tensor) -> NOfM | None:
    """An n:m pattern that fits; raises Refused where it does not."""
    counts = parse_pattern(pattern)
    if not isinstance(counts, NOfM):
        return None
    n, m = counts.n, counts.m
    if sparsity is not None and abs(sparsity - counts.sparsity) > 1e-3:
        raise Refused(
            "Pattern {pattern} keeps n of every m and thereby fixes the sparsity: "
            "leave sparsity out or use pattern unstructured.",
            pattern=pattern,
        )
    if kernel.shape[1] < m:
        raise Refused(
            "Pattern {n}:{m} needs at least {m} input channels, but the layer has {inputs}: "
            "leave this layer out or use pattern unstructured.",
            n=n,
            m=m,
            inputs=kernel.shape[1],
        )
    return counts


def _by_position(kernel: Tensor) -> Tensor:
    """The columns of a weight so that input channels of one kernel position stand side by side [in * k]."""
    columns = torch.arange(kernel[0].numel())
    return columns.view(kernel.shape[1], -1).T.reshape(-1)
