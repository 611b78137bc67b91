"""L1 regularization."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.functional import softshrink

from compress_core.foundation.knobs import SliderStep
from compress_core.training.method import Hooks, training_method


def soft_thresholded(
    weights: Mapping[str, Tensor], step_size: float, *, strength: float
) -> dict[str, Tensor]:
    """Every weight moved towards zero by step size x strength, and zero where that would pass it.

    weights [out, in] by name -> the same shapes: the proximal step of strength x sum of |weight|.

    Parikh and Boyd 2014, Proximal Algorithms, section 6.5.2.
    """
    return {name: softshrink(weight, step_size * strength) for name, weight in weights.items()}


@training_method(order=10)
def l1(
    *,
    strength: Annotated[
        float,
        Field(ge=0, le=10, description="How far a weight is moved at each step, in learning rates."),
        SliderStep(0.01),
    ] = 0.1,
) -> Hooks:
    """Pull every weight towards zero by the same amount at each step; those that the loss does not hold stay.

    After each step |weight| loses learning rate x strength, and is zero where less was left (soft
    thresholding). What is zero at the end is pruned; the last epoch is given.

    Tibshirani 1996, Regression Shrinkage and Selection via the Lasso; the step: Parikh and Boyd 2014,
    Proximal Algorithms, section 6.5.2.
    """
    return Hooks(shrink=partial(soft_thresholded, strength=strength), ready_at=1.0)
