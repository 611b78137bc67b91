"""Activation sparsity that keeps the largest values."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from compress_core.foundation.knobs import SliderStep, Unit
from compress_core.techniques.contract.input_rules import KeepLargest
from compress_core.techniques.contract.technique import technique


@technique
def top_k(
    *,
    share_kept: Annotated[
        float,
        Field(gt=0, le=1, description="Share of each item's values that stays."),
        Unit("share"),
        SliderStep(0.01),
    ] = 0.5,
) -> KeepLargest:
    """Keep only the largest values of a layer's input, the same number for every item.

    Of an item's n inputs round(share * n) stay, at least one; the weights that meet the others are not
    needed.

    Makhzani and Frey 2013, k-Sparse Autoencoders, arXiv:1312.5663.
    """
    return KeepLargest(share_kept)
