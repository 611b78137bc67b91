"""What second-order methods share: a moment that can be inverted, and the error that it measures.

A change D [out, in] of a weight moves the layer's output by a squared error of trace(D H D^T) on average,
where H [in, in] is the second moment of its input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import SliderStep, Unit

Damping = Annotated[
    float,
    Field(
        ge=0.0001,
        le=1,
        description="Share of the mean squared input that is added to each, so that none looks too certain.",
    ),
    Unit("share"),
    SliderStep(0.0001),
]


def damped(moment: Tensor, damping: float) -> Tensor:
    """The moment with a share of its mean diagonal added to it; the identity where no input is ever used.

    moment [groups, in, in] float64, scaled so that its mean diagonal is 1: no size of input overflows.
    """
    diagonal = moment.diagonal(dim1=1, dim2=2)
    mean = diagonal.mean(dim=1)[:, None, None]
    used = mean > 0
    scaled = torch.where(used, moment / torch.where(used, mean, 1.0), 0.0)
    scaled = (scaled + scaled.mT) / 2
    added = torch.where(used, damping, 1.0).to(moment.dtype)
    return scaled + torch.eye(moment.shape[1], dtype=moment.dtype) * added


def inverse_factor(moment: Tensor, damping: float) -> Tensor:
    """Upper triangular U with U^T U = (damped moment)^-1, [groups, in, in] float64.

    Row i holds, divided by U[i, i], how the inputs behind i best make up for a change of input i.
    """
    while True:
        lower, failed = torch.linalg.cholesky_ex(damped(moment, damping))
        if not bool(failed.any()):
            upper, failed = torch.linalg.cholesky_ex(torch.cholesky_inverse(lower), upper=True)
            if not bool(failed.any()):
                inverted: Tensor = upper
                return inverted
        damping *= 10  # rounding made a moment indefinite


def output_error(change: Tensor, moment: Tensor) -> Tensor:
    """The squared error of each row's output, [groups, rows]; change [groups, rows, in]."""
    return ((change @ moment) * change).sum(dim=2)


def better_rows(first: Tensor, second: Tensor, target: Tensor, moment: Tensor) -> Tensor:
    """Whether the first of two weights errs no more than the second, row by row [groups, rows, 1].

    All [groups, rows, in] float64; rows do not depend on one another.
    """
    one, two = output_error(first - target, moment), output_error(second - target, moment)
    return (one <= two).unsqueeze(2)


def swept(
    weight: Tensor,
    factor: Tensor,
    spans: Iterable[range],
    start: Callable[[Tensor, range], None],
    fixed: Callable[[Tensor, int], Tensor],
) -> Tensor:
    """Fix a weight input by input; the inputs behind each make up for its change as well as they can.

    weight [groups, rows, in] float64, factor from `inverse_factor`. spans cover the inputs in order:
    `start` sees the values [groups, rows, span] that a span has when its turn comes, `fixed` says what an
    input's values [groups, rows] become.
    """
    values = weight.clone()
    for span in spans:
        first, end = span.start, span.stop
        start(values[:, :, first:end], span)
        errors = torch.zeros_like(values[:, :, first:end])
        for index in span:
            column = values[:, :, index].clone()
            values[:, :, index] = fixed(column, index)
            error = (column - values[:, :, index]) / factor[:, index, index].unsqueeze(1)
            ahead = factor[:, index, index + 1 : end].unsqueeze(1)
            values[:, :, index + 1 : end] -= error.unsqueeze(2) * ahead
            errors[:, :, index - first] = error
        values[:, :, end:] -= errors @ factor[:, first:end, end:]
    return values


def spans_of(columns: int, size: int) -> list[range]:
    """0 to columns in pieces of a size, the last one shorter."""
    return [range(i, min(i + size, columns)) for i in range(0, columns, size)]
