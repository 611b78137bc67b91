"""Corrections: what of the rest (biases, statistics of norms) is set anew to make up for compression.

One pass of calibration items corrects all layers or norms: each is corrected when the items arrive at
it, so that those behind it see it corrected. One that is called several times is judged on all its
calls together, and corrected at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch
from torch import Tensor, nn

from compress_core.apply.argument import depends_on, result_at
from compress_core.apply.context import calibration_key
from compress_core.apply.model import Model
from compress_core.apply.views.correction_views import NormInputView, OutputView
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store, digest
from compress_core.network.flow import flow_of
from compress_core.network.layers.kinds import Layer, LayerKind
from compress_core.network.layers.norms import batch_norms, read_norm
from compress_core.network.layers.places import module_of, read_bias, with_bias, write_state
from compress_core.network.living_memory import refuse_unless_together
from compress_core.network.shared_copy import shared_copy
from compress_core.recipe.values import Step
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.results import Restated, Shifted


def corrected(model: Model, store: Store) -> Model:
    """The model with the corrections of its recipe; raises Refused where one changes nothing."""
    for step in model.recipe.correct:
        model = replace(model, rest=MappingProxyType({**model.rest, **_rest_after(model, step, store)}))
    return model


def _rest_after(model: Model, step: Step, store: Store) -> dict[str, Tensor]:
    """What a correction changes of the rest, by its name in the state."""
    result = step.method.result
    if result is Shifted:
        return _shifted(model, step, store)
    assert result is Restated, f"no way to apply {result.__name__}"
    return _restated(model, step)


@dataclass
class _Gauge:
    """Mean and variance by channel of all that passed, in float64."""

    calls: int = 0
    count: int = 0
    total: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.float64))
    squares: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.float64))

    def add(self, values: Tensor, axis: int) -> None:
        """Take in values with the channels along an axis."""
        by_channel = values.detach().movedim(axis, 0).flatten(1).double()
        variance, mean = torch.var_mean(by_channel, 1, correction=0)
        here = by_channel.shape[1]
        self.calls += 1
        self.count += here
        self.total = self.total + here * mean
        self.squares = self.squares + here * (variance + mean.square())

    @property
    def mean(self) -> Tensor:
        return self.total / max(1, self.count)

    @property
    def variance(self) -> Tensor:
        return (self.squares / max(1, self.count) - self.mean.square()).clamp_min(0)


def _run(network: nn.Module, base: Subject) -> None:
    items = base.split("calibration").inputs
    refuse_unless_together(shared_copy(base.network), items, len(items))
    with torch.no_grad():  # what inference mode makes cannot be differentiated through later
        network(items)


# Biases -----------------------------------------------------------------------------------------------------


def _shifted(model: Model, step: Step, store: Store) -> dict[str, Tensor]:
    """The biases, by their name in the state, that bring mean outputs back to what they were."""
    base = model.base
    changed = {*model.compressed, *model.inputs}
    layers = [x for x in base.layers if x.name in changed and x.kind is not LayerKind.EMBEDDING]
    items = calibration_key(base, depends_on(step.method))
    key = digest("mean outputs", base.key, *items, *(x.name for x in layers))
    before = store.get(key, lambda: _mean_outputs(base, layers))
    layers = [layer for layer in layers if before[layer.name].calls]
    if not layers:
        raise Refused(
            "{technique} has nothing to make up for, since no layer that {model} runs is changed: "
            "compress one or take the correction out.",
            technique=step.technique,
            model=model.subject.title,
        )
    network = model.network()
    outputs = {x.name: _Output(x, step, before[x.name]) for x in layers}
    for layer in layers:
        module_of(network, layer).register_forward_hook(outputs[layer.name])
    _run(network, base)
    return _state_of(model, [(output.layer, output.shift()) for output in outputs.values()], step)


def _mean_outputs(base: Subject, layers: Iterable[Layer]) -> dict[str, _Gauge]:
    """What every one of these layers puts out on calibration items before it is changed."""
    network = shared_copy(base.network)
    gauges = {layer.name: _Gauge() for layer in layers}
    for layer in layers:
        module_of(network, layer).register_forward_hook(_noting(gauges[layer.name], _axis(layer)))
    _run(network, base)
    return gauges


def _noting(gauge: _Gauge, axis: int) -> Callable[..., None]:
    return lambda _module, _given, output: gauge.add(output, axis)


def _axis(layer: Layer) -> int:
    """Along which axis of its output a layer's channels lie, from the end."""
    return -1 - len(layer.kernel_shape[2:])


@dataclass
class _Output:
    """A hook that measures a layer's output and corrects it on the spot."""

    layer: Layer
    step: Step
    before: _Gauge
    gauge: _Gauge = field(default_factory=_Gauge)

    def shift(self) -> Tensor:
        """What its bias lacks [out]."""
        before, after = self.before.mean, self.gauge.mean
        result: Shifted = result_at(self.step, lambda asked: OutputView(asked, before, after))
        return result.bias

    def __call__(self, _module: nn.Module, _given: object, output: Tensor) -> Tensor:
        self.gauge.add(output, _axis(self.layer))
        if self.before.calls > 1:
            return output
        return output + self.shift().to(output.dtype).view(-1, *(1,) * (-1 - _axis(self.layer)))


def _state_of(model: Model, shifts: list[tuple[Layer, Tensor]], step: Step) -> dict[str, Tensor]:
    """The shifts put into biases, or into the running mean of a norm that alone reads the output."""
    current = shared_copy(model.base.network)
    for name, values in model.rest.items():
        write_state(current, name, values)
    norms = _norms_behind(model.base, [layer for layer, _ in shifts])
    changed: dict[str, Tensor] = {}
    for layer, shift in shifts:
        _refuse_unless_finite(shift, layer.name, step)
        if layer.name in norms:
            norm = norms[layer.name]
            mean = read_norm(current, norm).mean
            state = {f"{norm}.running_mean": mean - shift.to(mean.dtype)}
        else:
            bias = read_bias(current, layer)
            whole = shift.float() if bias is None else (bias.double() + shift).to(bias.dtype)
            state = with_bias(current, layer, whole)
        for name, values in state.items():
            write_state(current, name, values)
        changed |= state
    return changed


def _norms_behind(base: Subject, layers: Iterable[Layer]) -> dict[str, str]:
    """Of the layers without a bias, those whose output a batch norm alone reads: layer -> norm."""
    bare = {
        x.name: x
        for x in layers
        if read_bias(base.network, x) is None and (len(x.kernel_shape) > 2 or x.positions == 1)
    }
    if not bare:
        return {}
    network = shared_copy(base.network)
    flow = flow_of(network, base.input.baseline, bare)
    norms = ((flow.behind.get(norm, ""), norm) for norm in batch_norms(network))
    return {layer: norm for layer, norm in norms if layer in bare and flow.reads_alone(norm, layer)}


def _refuse_unless_finite(values: Tensor, name: str, step: Step) -> None:
    if not values.float().isfinite().all():
        raise Refused(
            "{name} gets values that are not finite, so {technique} cannot measure it: "
            "repair what stands before it or take the correction out.",
            name=name,
            technique=step.technique,
        )


# Norms ------------------------------------------------------------------------------------------------------


def _restated(model: Model, step: Step) -> dict[str, Tensor]:
    """New running statistics of all norms that run, by their name in the state."""
    network = model.network()
    inputs = {name: _NormInput(name, step) for name in batch_norms(network)}
    for name, place in inputs.items():
        network.get_submodule(name).register_forward_pre_hook(place, with_kwargs=True)
    with torch.no_grad():
        network(model.base.input.baseline)
    inputs = {name: place for name, place in inputs.items() if place.calls}
    if not inputs:
        raise _no_norm(model, step)
    for place in inputs.values():
        place.measuring = True
    _run(network, model.base)
    state: dict[str, Tensor] = {}
    for name, place in inputs.items():
        result = place.restated()
        dtype = read_norm(network, name).mean.dtype
        state[f"{name}.running_mean"] = result.mean.to(dtype)
        state[f"{name}.running_var"] = result.variance.to(dtype)
    return state


@dataclass
class _NormInput:
    """A hook that first counts calls, then measures a norm's input and restates the norm on the spot."""

    name: str
    step: Step
    calls: int = 0
    measuring: bool = False
    gauge: _Gauge = field(default_factory=_Gauge)

    def restated(self) -> Restated:
        """The norm's new statistics [channels]."""
        mean, variance = self.gauge.mean, self.gauge.variance
        result: Restated = result_at(self.step, lambda asked: NormInputView(asked, mean, variance))
        _refuse_unless_finite(torch.cat([result.mean, result.variance]), self.name, self.step)
        return result

    def __call__(self, module: nn.Module, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        if not self.measuring:
            self.calls += 1
            return
        read = given[0] if given else next(iter(named.values()))
        self.gauge.add(read, 1)
        if self.calls == 1:
            result = self.restated()
            for name, values in (("running_mean", result.mean), ("running_var", result.variance)):
                write_state(module, name, values.to(read.dtype))


def _no_norm(model: Model, step: Step) -> Refused:
    if model.base.structure.folded:
        return Refused(
            "The batch norms of {model} were folded into the layers before them, so {technique} finds none: "
            "take one of the two out.",
            model=model.subject.title,
            technique=step.technique,
        )
    return Refused(
        "{model} has no batch norm with running statistics, so {technique} changes nothing: take it out.",
        model=model.subject.title,
        technique=step.technique,
    )
