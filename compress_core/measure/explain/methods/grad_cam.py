"""GradCAM."""

from __future__ import annotations

from torch import Tensor, nn

from compress_core.measure.explain.attribution import (
    Question,
    attribution_method,
    last_spatial_module,
    needs_convolution,
)


@attribution_method(order=4, refusal=needs_convolution)
def grad_cam(network: nn.Module, question: Question) -> Tensor:
    """Where the last convolution sees evidence for or against the class: coarse, enlarged to the input.

    inputs [N, ...] -> values of their shape, or [N, 1, *size] where channels have one map.

    Signed: the paper's final ReLU, which hides what speaks against the class, is left out.

    Selvaraju et al. 2017, arXiv:1610.02391, eq. 1 and 2.
    """
    from captum.attr import LayerAttribution, LayerGradCam

    layer = last_spatial_module(network, question.inputs[:1])
    assert layer is not None, "refused before"
    coarse = LayerGradCam(network, layer).attribute(question.inputs, target=question.targets)
    maps: Tensor = LayerAttribution.interpolate(coarse, question.inputs.shape[2:], "bilinear")
    return maps
