"""L1 regularization of activations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import SliderStep
from compress_core.training.method import Hooks, training_method


def mean_inputs(layer_inputs: Mapping[str, tuple[Tensor, ...]], *, strength: float) -> Tensor:
    """strength x sum over layers of the mean |input|, a scalar.

    layer_inputs: by name, [n, ...] each time the layer ran; the items, which nothing makes smaller,
    are left out.
    """
    means = [
        torch.cat([each.abs().flatten() for each in learned]).mean()
        for given in layer_inputs.values()
        if (learned := [each for each in given if each.requires_grad])
    ]
    return strength * torch.stack(means).sum() if means else torch.zeros(())


@training_method(order=17)
def activation_l1(
    *,
    strength: Annotated[
        float,
        Field(ge=0, le=100, description="How much the mean size of what layers read counts beside the loss."),
        SliderStep(0.01),
    ] = 0.1,
) -> Hooks:
    """Make what layers hand on sparser: the mean size of each layer's input is added to the loss.

    strength x sum over layers of mean |input|, in nats beside the loss. Behind a ReLU small values become
    zero, which saves work at run time; weights stay dense. Zeros are counted on training items, those of
    dropout among them.

    Georgiadis 2019, Accelerating Convolutional Neural Networks via Activation Map Compression,
    arXiv:1812.04056, section 3.
    """
    return Hooks(penalty=partial(mean_inputs, strength=strength))
