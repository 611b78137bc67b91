"""Integrated gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compress_core.measure.explain.attribution import (
    Attributed,
    Question,
    attribution_method,
    needs_gradient,
)

STEPS, MOST_STEPS = 50, 400
"""Points on the way from the baseline to the input: at first, and where that is not exact enough."""
EXACT_ENOUGH = 0.01
"""The share of the score's change that a map may leave out; above it the points are doubled."""
_LEAST = 1e-3
"""A change smaller than this share of what the map holds without signs is no measure for a gap."""


@attribution_method(order=3, refusal=needs_gradient, rows_per_item=STEPS)
def integrated_gradients(network: nn.Module, question: Question) -> Attributed:
    """Gradients gathered on the way from the baseline to the input; they add up to the score's change.

    -> a value for each input value, [N, ...] as the inputs are.

    50 points, Gauss-Legendre quadrature; twice as many, up to 400, for each item whose map leaves out more
    than 1 % of the score's change. What is left is shown.

    Sundararajan et al. 2017, arXiv:1703.01365, eq. 1.
    """
    change = _change(network, question)
    maps = _integrated(network, question, torch.arange(len(question.inputs)), STEPS)
    gap, steps = _gap(maps, change), torch.full((len(maps),), STEPS)
    count = STEPS
    while question.refine and count < MOST_STEPS and (gap > EXACT_ENOUGH).any():
        count *= 2
        again = (gap > EXACT_ENOUGH).nonzero().flatten()
        finer = _integrated(network, question, again, count)
        closer = _gap(finer, change[again])
        better = closer < gap[again]
        maps[again[better]], gap[again[better]] = finer[better], closer[better]
        steps[again[better]] = count
    return Attributed(maps, gap, steps)


@torch.no_grad()
def _change(network: nn.Module, question: Question) -> Tensor:
    """How far each item's score is from the baseline's, [N]."""
    after = _scores(network, question, question.inputs)
    baseline = question.baseline.expand_as(question.inputs)
    before = _scores(network, question, baseline) if question.beside else network(question.baseline)
    change: Tensor = (after - before).gather(1, question.targets[:, None])[:, 0]
    return change


def _scores(network: nn.Module, question: Question, inputs: Tensor) -> Tensor:
    """What a network answers to inputs [N, ...] beside the question's own, [N, C]."""
    parts = zip(*(torch.split(each, question.rows) for each in (inputs, *question.beside)), strict=True)
    return torch.cat([network(*part) for part in parts])


def _gap(maps: Tensor, change: Tensor) -> Tensor:
    """The share of the score's change that maps [N, ...] leave out or put in, [N]."""
    flat = maps.flatten(1).double()
    least = _LEAST * flat.abs().sum(1) + torch.finfo(torch.float32).tiny
    return (flat.sum(1) - change).abs() / torch.maximum(change.abs().double(), least)


def _integrated(network: nn.Module, question: Question, chosen: Tensor, steps: int) -> Tensor:
    from captum.attr import IntegratedGradients

    together = len(chosen) * steps <= question.rows
    maps: Tensor = IntegratedGradients(network).attribute(
        question.inputs[chosen],
        baselines=question.baseline,
        target=question.targets[chosen],
        n_steps=steps,
        internal_batch_size=None if together else max(question.rows, len(chosen)),
        additional_forward_args=tuple(each[chosen] for each in question.beside) or None,
    )
    return maps.detach()
