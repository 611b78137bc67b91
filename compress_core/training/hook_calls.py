"""The places of the loop: what the methods of a plan left there is called, in the order of the plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.training.batch_values import BatchValues
from compress_core.training.method import HookFunction, asked_by, call_hook
from compress_core.training.moment import Moment, random_numbers
from compress_core.training.optimizer import Optimizer
from compress_core.training.parametrization import WEIGHT
from compress_core.training.plan import MethodStep, Plan
from compress_core.training.saliency_maps import ASKED
from compress_core.training.trainee import Trainee
from compress_core.training.unit_places import UnitPlaces

Value = TypeVar("Value")


def listens(plan: Plan, layer: str) -> bool:
    """Whether a method asks for what a layer is given."""
    return any(asks_for("layer_inputs", plan, step) for step in plan.steps if step.chosen_of([layer]))


def parametrized(trainee: Trainee, plan: Plan) -> Trainee:
    """The trainee with the parametrizations of a method; raises Refused where one fits no layer."""
    for step in plan.steps:
        names = _spoken_of(step, trainee)
        parametrization = step.hooks.parametrization
        if parametrization is None:
            continue
        encoded = {n: trainee.parametrizations[n].encoded(trainee.learned[n]) for n in names}
        offered = {n: parametrization(trainee.parts[n], encoded[n]) for n in names}
        taken = {n: found for n, found in offered.items() if found is not None}
        trainee = replace(trainee, parametrizations={**trainee.parametrizations, **taken}, learned={})
        if step.hooks.biases is not None:
            trainee.round_biases(names, step.hooks.biases)
        inputs_learn = step.hooks.input_steps and trainee.learn_inputs(names)
        if not taken and not inputs_learn:
            raise _nothing_to_do(step, names)
    return trainee


@torch.no_grad()
def begun(trainee: Trainee, plan: Plan, moment: Moment) -> None:
    """Put the masks in place with which a training begins, before its first step.

    Raises Refused where a method chooses single weights of a layer that keeps its codes.
    """
    for step in plan.steps:
        names = _spoken_of(step, trainee)
        if step.hooks.weight_by_weight:
            _refuse_held_codes(step, trainee, names)
        if asks_for("units", plan, step) and not _units_of(step, trainee):
            raise _no_units(step)
        if step.hooks.begin is None:
            continue
        chosen: Mapping[str, Tensor] | None = call_hook(
            step.hooks.begin, supplied_to(step, plan, trainee, moment)
        )
        for name, mask in (chosen or {}).items():
            trainee.parametrizations[name] = trainee.parametrizations[name].with_mask(mask)
    trainee.first_masks.update(trainee.masks())


@torch.no_grad()
def noted(plan: Plan, trainee: Trainee) -> tuple[Any, ...]:
    """What each method works out before an epoch, None where it does not."""
    return tuple(None if s.hooks.note is None else _note(s.hooks.note, s, trainee) for s in plan.steps)


def _note(note: HookFunction, step: MethodStep, trainee: Trainee) -> Any:
    encoded = {name: each.encoded(trainee.learned[name]) for name, each in trainee.parametrizations.items()}
    supplied = {
        "encoded": _among(encoded, step),
        "codes": _among(trainee.codes(), step),
        "biases": _among(trainee.biases(), step),
        "bias_codes": _among(trainee.bias_codes(), step),
    }
    return call_hook(note, supplied)


def batch_loss(plan: Plan, batch: BatchValues, weights: Mapping[str, Tensor], trainee: Trainee) -> Tensor:
    """The loss with all penalties, a scalar in the unit of the objective; weights [out, in] by name."""
    codes = trainee.codes() if asks_for("codes", plan) else {}
    bias_codes = trainee.bias_codes() if asks_for("bias_codes", plan) else {}
    terms = []
    for step, found in zip(plan.steps, batch.known.noted, strict=True):
        of_layers = {
            "weights": _among(weights, step),
            "layer_inputs": _among(batch.layer_inputs, step),
            "codes": _among(codes, step),
            "bias_codes": _among(bias_codes, step),
            "noted": found,
        }
        terms += [place(**batch.supplied(asked_by(place), of_layers)) for place in step.hooks.in_batch]
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
        supplied = supplied_to(step, plan, trainee, moment)
        masks = supplied["masks"]
        supplied |= {
            "first_masks": _among(trainee.first_masks, step),
            "weights": {name: weights[name].detach() for name in masks},
            "gradients": {name: _gradient(weights[name]) for name in masks},
        }
        chosen: Mapping[str, Tensor] | None = call_hook(step.hooks.masks, supplied)
        for name, mask in (chosen or {}).items():
            _exchange(trainee, optimizer, name, mask, masks[name])


def supplied_to(step: MethodStep, plan: Plan, trainee: Trainee, moment: Moment) -> dict[str, Any]:
    """What every place of a method's layers may ask for."""
    masks = _among(trainee.masks(), step)
    return {
        "masks": masks,
        "layers": {name: trainee.parts[name] for name in masks},
        "moment": moment,
        "generator": random_numbers(plan.knobs.seed, step.method.name, step.match, moment.step),
    }


def _exchange(trainee: Trainee, optimizer: Optimizer, name: str, mask: Tensor, before: Tensor) -> None:
    trainee.parametrizations[name] = trainee.parametrizations[name].with_mask(mask)
    grown, learned = mask & ~before, trainee.learned[name][WEIGHT]
    learned[grown] = 0
    optimizer.forget(learned, grown)


@torch.no_grad()
def after_step(plan: Plan, trainee: Trainee, moment: Moment, rate: float) -> None:
    """Let methods move weights towards zero."""
    for step in plan.steps:
        if step.hooks.shrink is None:
            continue
        masks = _among(trainee.masks(), step)
        weights = {n: trainee.learned[n][WEIGHT].where(mask, torch.zeros(())) for n, mask in masks.items()}
        supplied = {**supplied_to(step, plan, trainee, moment), "weights": weights, "step_size": rate}
        supplied["units"] = _units_of(step, trainee)
        shrunk: Mapping[str, Tensor] = call_hook(step.hooks.shrink, supplied)
        for name, values in shrunk.items():
            trainee.learned[name][WEIGHT].copy_(values)


def asks_for(name: str, plan: Plan, *only: MethodStep) -> bool:
    """Whether a place of the methods, of all or some, asks for a value of that name."""
    places = (place for step in only or plan.steps for place in step.hooks.places)
    return any(name in asked_by(place) for place in places)


def asks_for_maps(plan: Plan) -> str | None:
    """The first method that asks for what answers hang on; None where there is none."""
    asking = (step for step in plan.steps if any(asks_for(name, plan, step) for name in ASKED))
    return next((step.method.name for step in asking), None)


def _units_of(step: MethodStep, trainee: Trainee) -> tuple[UnitPlaces, ...]:
    """The coupled groups that lie in the step's layers as a whole."""
    names = step.chosen_of(list(trainee.parts))
    return tuple(each for each in trainee.units if all(name in names for name, _ in each.sides))


def _no_units(step: MethodStep) -> Refused:
    return Refused(
        "{method} moves whole units, and no free group of coupled channels lies in the layers {match} with "
        "none of its weights factored: name more layers, or take l1.",
        method=step.method.name,
        match=step.match,
    )


def shrunk_layers(plan: Plan, trainee: Trainee) -> tuple[str, ...]:
    """The layers in which a method moves weights to zero: there, what is zero at the end is pruned."""
    steps = (step for step in plan.steps if step.hooks.shrink is not None)
    return tuple({name: None for step in steps for name in step.chosen_of(list(trainee.parts))})


def _gradient(weight: Tensor) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def _refuse_held_codes(step: MethodStep, trainee: Trainee, names: Iterable[str]) -> None:
    for name in names:
        if WEIGHT not in trainee.learned[name]:
            raise Refused(
                "{method} moves weights one by one, but {layer} is quantized and keeps its codes: train "
                "before quantizing, or leave the layer out with match.",
                method=step.method.name,
                layer=name,
            )


def _nothing_to_do(step: MethodStep, names: tuple[str, ...]) -> Refused:
    return Refused(
        "{method} rounds weights, and none of {layers} is quantized: "
        "quantize one in the recipe, or give bits.",
        method=step.method.name,
        layers=", ".join(names),
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


def _among(values: Mapping[str, Value], step: MethodStep) -> dict[str, Value]:
    return {name: values[name] for name in step.chosen_of(list(values))}
