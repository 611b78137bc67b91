"""Group lasso over coupled units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import SliderStep
from compress_core.training.method import Hooks, training_method
from compress_core.training.unit_places import UnitPlaces

_TINY = torch.finfo(torch.float32).tiny


def units_shrunk(
    weights: Mapping[str, Tensor], units: Sequence[UnitPlaces], step_size: float, *, strength: float
) -> dict[str, Tensor]:
    """The norm of every unit made smaller by step size x strength x root of its weights, zero if it was less.

    weights [out, in] by name -> those that hold a unit. The proximal step of strength x sum of norms over
    one group; groups that share a layer follow one another.

    Parikh and Boyd 2014, Proximal Algorithms, section 6.5.1; the root: Yuan and Lin 2006, eq. 2.1.
    """
    found: dict[str, Tensor] = {}
    for group in units:
        now = {name: found.get(name, weights[name]) for name, _ in group.sides}
        norms = group.squared_norms(now).sqrt()
        limit = step_size * strength * math.sqrt(group.weights_in_unit)
        left = (1 - limit / norms.clamp(min=_TINY)).clamp(min=0)
        for name, places in group.sides:
            factors = torch.ones(now[name].numel())
            factors[places] = left.unsqueeze(1)
            now[name] = now[name] * factors.view_as(now[name])
        found |= now
    return found


@training_method(order=16)
def group_lasso(
    *,
    strength: Annotated[
        float,
        Field(
            ge=0,
            le=10,
            description="How far the weights of a unit are moved at each step, in learning rates.",
        ),
        SliderStep(0.01),
    ] = 0.1,
) -> Hooks:
    """Pull whole channels, neurons and heads towards zero, in every layer that makes or reads them.

    After each step the norm of a unit over all its weights loses learning rate x strength x root of their
    number. A unit that is zero is heard by nobody, so a later cut of its group changes no answer; the last
    epoch is given.

    Yuan and Lin 2006, Model Selection and Estimation in Regression with Grouped Variables; for networks
    Wen et al. 2016, arXiv:1608.03665, eq. 3.
    """
    return Hooks(shrink=partial(units_shrunk, strength=strength), ready_at=1.0)
