"""Random weights in place of trained ones: a student that learns from the beginning."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.network.layers.norms import reset_statistics
from compress_core.training.parametrization import WEIGHT
from compress_core.training.trainee import Trainee


@torch.no_grad()
def scattered(trainee: Trainee, generator: torch.Generator) -> None:
    """Replace what learns by what torch begins with; masks stay. The trainee's owner is the caller.

    Weights and biases are even within 1 / sqrt(inputs), as torch draws them; the scale of a norm is 1, its
    shift 0, its statistics those of nothing seen. Weights that are rounded as they learn begin anywhere, and
    their levels where the recipe put them. Raises Refused where codes are held, which were trained. He et al.
    2015, arXiv:1502.01852.
    """
    _refuse_trained_codes(trainee)
    bounds: dict[str, float] = {}
    for name, learned in trainee.learned.items():
        layer = trainee.parts[name]
        bounds[f"{layer.module}.bias"] = bound = 1 / math.sqrt(max(1, layer.columns))
        _even(learned[WEIGHT], bound, generator)
    reset_statistics(trainee.network)
    for name, parameter in trainee.beside.items():
        _begin(name, parameter, bounds.get(name), generator)


def _refuse_trained_codes(trainee: Trainee) -> None:
    held = next((name for name, learned in trainee.learned.items() if WEIGHT not in learned), None)
    if held is not None:
        raise Refused(
            "Random weights were asked for with start, but {layer} is quantized and keeps the codes of its "
            "trained weights: take the quantization out of the recipe, or round while it learns with qat.",
            layer=held,
        )


def _begin(name: str, parameter: Tensor, bound: float | None, generator: torch.Generator) -> None:
    if bound is not None:
        _even(parameter, bound, generator)
    elif name.endswith("weight") and parameter.dim() == 1:
        parameter.fill_(1.0)
    elif name.endswith("bias"):
        parameter.zero_()
    else:
        _shuffle(parameter, generator)


def _even(values: Tensor, bound: float, generator: torch.Generator) -> None:
    values.copy_((torch.rand(values.shape, generator=generator) * 2 - 1) * bound)


def _shuffle(values: Tensor, generator: torch.Generator) -> None:
    """Of what has no rule, such as a class token, the values stay and lose their places."""
    values.view(-1).copy_(values.flatten()[torch.randperm(values.numel(), generator=generator)])
