"""Pruning at random, the floor that every criterion must beat."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from compress_core.selection.scores import Scores
from compress_core.techniques.contract.technique import technique


@technique
def random_pruning(
    weight: Tensor,
    generator: Generator,
    *,
    seed: Annotated[  # noqa: ARG001 - the engine seeds the generator with it and the layer's name
        int, Field(ge=0, le=2**31 - 1, description="Another seed removes other weights.")
    ] = 0,
) -> Scores:
    """Remove weights at random: what every other criterion has to beat.

    weight [out, in] -> scores [out, in], uniform in [0, 1), a new draw for each layer.

    The baseline of Blalock et al. 2020, What is the State of Neural Network Pruning?, arXiv:2003.03033.
    """
    return Scores(torch.rand(weight.shape, generator=generator))
