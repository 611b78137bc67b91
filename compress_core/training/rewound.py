"""Going back to early weights: between rounds all that learns becomes what it was, under masks of its own."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.training.hook_calls import supplied_to
from compress_core.training.method import Rewinding, call_hook
from compress_core.training.moment import Moment
from compress_core.training.optimizer import Optimizer
from compress_core.training.parametrization import WEIGHT
from compress_core.training.plan import MethodStep, Plan
from compress_core.training.trainee import Trainee


def refuse_few_epochs(plan: Plan) -> None:
    """Raises Refused where a round is not longer than what it goes back to."""
    for step in plan.steps:
        rewinding = step.hooks.rewinding
        if rewinding is None:
            continue
        needed = rewinding.rounds * (rewinding.early + 1)
        if plan.knobs.epochs < needed:
            raise Refused(
                "{method} trains in {rounds} rounds, each longer than what it goes back to (early_epochs is "
                "{early}): set epochs to {needed} at least, or take fewer rounds.",
                method=step.method.name,
                rounds=rewinding.rounds,
                early=rewinding.early,
                needed=needed,
            )


@torch.no_grad()
def before_epoch(plan: Plan, trainee: Trainee, optimizer: Optimizer, moment: Moment) -> None:
    """Keep early weights when it is time, and go back to them where a round begins."""
    for step in plan.steps:
        rewinding = step.hooks.rewinding
        if rewinding is None:
            continue
        if moment.epoch == rewinding.early:
            trainee.early = trainee.kept()
        if moment.step and moment.within(rewinding.rounds).step == 0:
            _go_back(rewinding, step, plan, trainee, moment)
            optimizer.begin_anew()


def _go_back(rewinding: Rewinding, step: MethodStep, plan: Plan, trainee: Trainee, moment: Moment) -> None:
    assert trainee.early is not None, "the first round is longer than what is kept early"
    supplied = supplied_to(step, plan, trainee, moment)
    weights = {name: trainee.learned[name][WEIGHT] for name in supplied["masks"]}
    chosen: Mapping[str, Tensor] = call_hook(rewinding.masks, {**supplied, "weights": weights})
    for name, mask in chosen.items():
        trainee.parametrizations[name] = trainee.parametrizations[name].with_mask(mask)
    trainee.take(trainee.early)
