"""Input times gradient."""

from __future__ import annotations

from torch import Tensor, nn

from compress_core.measure.explain.attribution import Question, attribution_method, needs_gradient


@attribution_method(order=2, refusal=needs_gradient, at_a_point=True)
def input_x_gradient(network: nn.Module, question: Question) -> Tensor:
    """Each input value times the gradient: what the value contributes if the network were linear.

    -> a value for each input value, [N, ...] as the inputs are.

    Shrikumar et al. 2016, arXiv:1605.01713, section 3.
    """
    from captum.attr import InputXGradient

    maps: Tensor = InputXGradient(network).attribute(
        question.inputs, target=question.targets, additional_forward_args=question.beside or None
    )
    return maps
