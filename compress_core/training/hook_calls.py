"""The places of the loop: what the methods of a plan left there is called, in the order of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.training.batch_values import BatchValues
from compress_core.training.method import asked_by, call_hook
from compress_core.training.moment import Moment, random_numbers
from compress_core.training.optimizer import Optimizer
from compress_core.training.parametrization import WEIGHT
from compress_core.training.plan import MethodStep, Plan
from compress_core.training.trainee import Trainee


def parametrized(trainee: Trainee, plan: Plan) -> Trainee:
    """The trainee with the parametrizations of a method; raises Refused where one fits no layer."""
    for step in plan.steps:
        names = _spoken_of(step, trainee)
        parametrization = step.hooks.parametrization
        if parametrization is None:
            continue
        encoded = {n: trainee.parametrizations[n].encoded(trainee.learned[n]) for n in names}
        parametrizations = {
            **trainee.parametrizations,
            **{n: parametrization(trainee.parts[n], encoded[n]) for n in names},
        }
        trainee = Trainee(
            trainee.model, trainee.network, trainee.parts, parametrizations, beside=trainee.beside
        )
    return trainee


def batch_loss(plan: Plan, batch: BatchValues, weights: Mapping[str, Tensor]) -> Tensor:
    """The loss with all penalties, a scalar in nats; weights [out, in] by name."""
    terms = [
        place(**batch.supplied(asked_by(place), _among(weights, step)))
        for step in plan.steps
        for place in step.hooks.in_batch
    ]
    return torch.stack(terms).sum()


@torch.no_grad()
def before_step(
    plan: Plan, trainee: Trainee, optimizer: Optimizer, weights: Mapping[str, Tensor], moment: Moment
) -> None:
    """Let methods choose other masks; what comes back from zero begins at zero, with averages of zero.

    weights [out, in] by name, with their gradients, those of pruned weights included.
    """
    for step in plan.steps:
        if step.hooks.masks is None:
            continue
        masks = _among(trainee.masks(), step)
        supplied: dict[str, Any] = {
            "weights": {name: weights[name].detach() for name in masks},
            "gradients": {name: _gradient(weights[name]) for name in masks},
            "masks": masks,
            "layers": {name: trainee.parts[name] for name in masks},
            "moment": moment,
            "generator": random_numbers(plan.knobs.seed, step.method.name, moment.step),
        }
        chosen: Mapping[str, Tensor] | None = call_hook(step.hooks.masks, supplied)
        for name, mask in (chosen or {}).items():
            _exchange(trainee, optimizer, name, mask, masks[name])


def _exchange(trainee: Trainee, optimizer: Optimizer, name: str, mask: Tensor, before: Tensor) -> None:
    trainee.parametrizations[name] = trainee.parametrizations[name].with_mask(mask)
    grown = mask & ~before
    for tensor in trainee.learned[name].values():
        if tensor.shape == grown.shape:
            tensor[grown] = 0
            optimizer.forget(tensor, grown)


@torch.no_grad()
def after_step(plan: Plan, trainee: Trainee, moment: Moment, rate: float) -> None:
    """Let methods move weights towards zero."""
    for step in plan.steps:
        if step.hooks.shrink is None:
            continue
        names = _spoken_of(step, trainee)
        for name in names:
            if WEIGHT not in trainee.learned[name]:
                raise _held_codes(step, name)
        weights = {name: trainee.parametrizations[name].weight(trainee.learned[name]) for name in names}
        supplied = {
            "weights": weights,
            "layers": {name: trainee.parts[name] for name in names},
            "moment": moment,
            "step_size": rate,
        }
        shrunk: Mapping[str, Tensor] = call_hook(step.hooks.shrink, supplied)
        for name, values in shrunk.items():
            trainee.learned[name][WEIGHT].copy_(values)


def _gradient(weight: Tensor) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def _held_codes(step: MethodStep, layer: str) -> Refused:
    return Refused(
        "{method} moves weights one by one, but {layer} is quantized and keeps its codes: train before "
        "quantizing, or leave the layer out with match.",
        method=step.method.name,
        layer=layer,
    )


def _spoken_of(step: MethodStep, trainee: Trainee) -> tuple[str, ...]:
    names = step.chosen_of(list(trainee.parts))
    if not names:
        raise Refused(
            "{method} is for the layers {match}, and none of {known} is among them: correct the pattern.",
            method=step.method.name,
            match=step.match,
            known=", ".join(trainee.parts),
        )
    return names


def _among(values: Mapping[str, Tensor], step: MethodStep) -> dict[str, Tensor]:
    return {name: values[name] for name in step.chosen_of(list(values))}
