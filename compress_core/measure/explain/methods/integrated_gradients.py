"""Integrated gradients."""

from __future__ import annotations

from torch import Tensor, nn

from compress_core.measure.explain.attribution import Question, attribution_method, needs_gradient

STEPS = 50
"""Points on the way from the baseline to the input."""


@attribution_method(order=3, refusal=needs_gradient, rows_per_item=STEPS)
def integrated_gradients(network: nn.Module, question: Question) -> Tensor:
    """Gradients gathered on the way from the baseline to the input; they add up to the score's change.

    -> a value for each input value, [N, ...] as the inputs are.

    50 points, Gauss-Legendre quadrature.

    Sundararajan et al. 2017, arXiv:1703.01365, eq. 1.
    """
    from captum.attr import IntegratedGradients

    together = len(question.inputs) * STEPS <= question.rows
    maps: Tensor = IntegratedGradients(network).attribute(
        question.inputs,
        baselines=question.baseline,
        target=question.targets,
        n_steps=STEPS,
        internal_batch_size=None if together else max(question.rows, len(question.inputs)),
    )
    return maps
