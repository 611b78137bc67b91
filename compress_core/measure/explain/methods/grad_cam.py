"""GradCAM."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compress_core.measure.explain.attribution import (
    Attributed,
    Question,
    RowsOfScores,
    attribution_method,
    needs_convolution,
)
from compress_core.measure.explain.feature_place import feature_place_in


@attribution_method(order=4, refusal=needs_convolution, at_a_point=True)
def grad_cam(network: nn.Module, question: Question) -> Attributed:
    """Where the last convolution sees evidence for or against: coarse, enlarged to the input.

    inputs [N, ...] -> values of their shape, or [N, 1, *size] where channels have one map.

    The part that is looked at is the same before and after compression, whatever became of its norm or its
    kernel. Signed: the paper's final ReLU, which hides what speaks against the class, is left out.

    Selvaraju et al. 2017, arXiv:1610.02391, eq. 1 and 2.
    """
    from captum.attr import LayerAttribution, LayerGradCam

    parts = network.network if isinstance(network, RowsOfScores) else network
    place = feature_place_in(parts, question.inputs[:1], question.place)
    assert place is not None, "refused before"
    coarse = LayerGradCam(network, parts.get_submodule(place)).attribute(
        question.inputs, target=question.targets
    )
    maps: Tensor = LayerAttribution.interpolate(coarse, question.inputs.shape[2:], "bilinear")
    count = len(maps)
    return Attributed(maps, torch.full((count,), torch.nan), torch.zeros(count), place)
