"""Quantization to a codebook."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import Unit
from compress_core.levels.table import Table
from compress_core.numerics.codebook import Ordered, fit_codebook, ordered
from compress_core.techniques.contract.results import Quantized
from compress_core.techniques.contract.technique import technique


@technique
def kmeans(
    weight: Tensor,
    mask: Tensor,
    sorted_weights: Ordered,
    *,
    bits: Annotated[int, Field(ge=2, le=8, description="Bits for each weight."), Unit("bit")] = 4,
    granularity: Annotated[
        Literal["per_tensor", "per_channel"],
        Field(
            description="Which weights share one table of levels: all of the tensor, or an output channel."
        ),
    ] = "per_tensor",
) -> Quantized:
    """Round to a table of levels that moves to where the weights are.

    weight, mask [out, in]; at most 2**bits levels, each the mean of the kept weights nearest to it;
    no random start.

    Han et al. 2016, Deep Compression, arXiv:1510.00149, section 3; Lloyd 1982, Least Squares
    Quantization in PCM.
    """
    rows = sorted_weights if granularity == "per_tensor" else ordered(weight, mask)
    return Quantized(Table(fit_codebook(rows, 2**bits)))
