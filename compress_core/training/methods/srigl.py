"""SRigL: structured RigL, every neuron with the same number of inputs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import SliderStep, Unit
from compress_core.network.layers.kinds import Layer
from compress_core.training.constant_fan_in import random_rows, regrown
from compress_core.training.dynamic_sparsity import (
    Distribution,
    Every,
    MaskSparsity,
    ShareReplaced,
    Until,
    cosine_share,
    places_change,
)
from compress_core.training.method import Hooks, training_method
from compress_core.training.moment import Moment


def regrown_rows(
    weights: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    layers: Mapping[str, Layer],
    moment: Moment,
    *,
    share: float,
    ablation: float,
    every: int,
    until: float,
) -> dict[str, Tensor] | None:
    """The smallest weights give way to those with the largest gradients, row by row as many.

    weights, gradients, masks [out, in] by name; gradients also of weights that are held at zero.
    """
    if not places_change(moment, every, until):
        return None
    now = cosine_share(moment, share, until)
    return {
        name: regrown(mask, weights[name], gradients[name].abs(), now, ablation, layers[name])
        for name, mask in masks.items()
    }


@training_method(order=15)
def srigl(
    *,
    sparsity: MaskSparsity = 0.9,
    distribution: Distribution = "erk",
    share_replaced: ShareReplaced = 0.3,
    ablation: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="A neuron goes where fewer than this share of its weights matter; 0: none goes. "
            "Leave the layer of the classes out with match.",
        ),
        Unit("share"),
        SliderStep(0.05),
    ] = 0.0,
    every: Every = 100,
    until: Until = 0.75,
) -> Hooks:
    """As rigl, but every neuron or filter keeps equally many weights, which a processor can run fast.

    Constant fan-in: of each layer the smallest weights are dropped, and each row grows as many as it lost
    where its gradient is largest. Rows keep one weight at least; with ablation weak ones go as a whole, as
    many as leave the number of weights as it was.

    Lasby et al. 2024, arXiv:2305.02299, section 3.1.
    """
    return Hooks(
        begin=partial(random_rows, sparsity=sparsity, distribution=distribution),
        masks=partial(regrown_rows, share=share_replaced, ablation=ablation, every=every, until=until),
    )
