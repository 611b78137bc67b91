"""Pruning by a threshold on the size of a weight."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import SliderStep, Unit
from compress_core.techniques.contract.results import Pruned
from compress_core.techniques.contract.technique import technique


@technique
def threshold(
    weight: Tensor,
    *,
    share: Annotated[
        float,
        Field(ge=0, le=1, description="Share of the layer's largest |weight| that a weight must reach."),
        Unit("share"),
        SliderStep(0.001),
    ] = 0.1,
) -> Pruned:
    """Keep the weights that reach a share of the layer's largest one; how many that is, the layer decides.

    weight [out, in]; the largest always stays, and share 0 removes nothing.

    Han et al. 2015, Learning both Weights and Connections, arXiv:1506.02626, section 3, with the
    threshold relative to the largest weight.
    """
    size = weight.abs()
    return Pruned(size >= share * size.max())
