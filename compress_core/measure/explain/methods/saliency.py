"""Saliency."""

from __future__ import annotations

from torch import Tensor, nn

from compress_core.measure.explain.attribution import Question, attribution_method, needs_gradient


@attribution_method(order=1, refusal=needs_gradient, at_a_point=True)
def saliency(network: nn.Module, question: Question) -> Tensor:
    """How the score would change if one input value grew a little: the gradient, with its sign.

    -> a value for each input value, [N, ...] as the inputs are.

    Simonyan et al. 2014, arXiv:1312.6034, section 3 (which takes the absolute value).
    """
    from captum.attr import Saliency

    maps: Tensor = Saliency(network).attribute(
        question.inputs,
        target=question.targets,
        abs=False,
        additional_forward_args=question.beside or None,
    )
    return maps
