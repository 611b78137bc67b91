"""What the tests of techniques share: weights that break things, knob values, a technique's answer coded."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Iterator

import torch
from annotated_types import Ge, Gt, Le, Lt
from hypothesis import strategies as st
from pydantic.fields import FieldInfo
from torch import Tensor

from compress_core.apply.context import generator_for
from compress_core.foundation.declared_knobs import slider_step
from compress_core.foundation.knobs import Strict
from compress_core.selection.group_selection import GroupSelection, choose_units
from compress_core.selection.patterns import LayerShape
from compress_core.selection.scores import Scores
from compress_core.selection.select import ExplicitMask, Mask, Selection, select
from compress_core.statistics import statistics
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.input_rules import DynamicGrid, KeepAbove, KeepLargest, StaticGrid
from compress_core.techniques.contract.results import ChannelScores, Factored, Pruned, Quantized
from compress_core.techniques.contract.technique import Technique


def nasty_weights() -> dict[str, Tensor]:
    """Weights [out, in] that break careless formulas."""
    random = torch.randn(6, 16, generator=torch.Generator().manual_seed(7))
    with_zero_rows = random.clone()
    with_zero_rows[1:3] = 0
    with_outlier = random * 1e-3
    with_outlier[2, 5] = 100.0
    return {
        "random": random,
        "zero rows": with_zero_rows,
        "all zero": torch.zeros(4, 8),
        "constant": torch.full((4, 8), 0.3),
        "negative constant": torch.full((4, 8), -0.3),
        "positive only": random.abs() + 0.1,
        "ties": random.sign(),
        "outlier": with_outlier,
        "huge": random.clamp(-1, 1) * 1e38,
        "huge and tiny": torch.where(random > 0, random * 1e38 / 4, random * 1e-30),
        "denormal": random * 1e-40,
        "smallest": torch.full((3, 4), 1.4e-45),
        "one channel": random[:, :1].contiguous(),
        "one row": random[:1].contiguous(),
        "one element": torch.tensor([[0.7]]),
        "odd inputs": random[:, :13].contiguous(),
    }


OF_ROWS: dict[str, Callable[[Tensor], object]] = {
    "norm_gain": lambda weight: weight.double().amax(1),
    "norm_offset": lambda weight: weight.double().amin(1),
    "norm_mean": lambda weight: weight.double().mean(1),
    "norm_variance": lambda weight: weight.double().var(1, correction=0),
    "norm_epsilon": lambda _: 1e-5,
    "first_range": lambda weight: weight.double().abs().amax(1),
    "second_range": lambda weight: weight.double().abs().amin(1),
    "largest_reading": lambda weight: weight.double().abs().amax(1),
    "says_the_same": lambda weight: (weight == 0).all(1),
    "layer_inputs": lambda weight: weight,
    "mean_before": lambda weight: weight.double().mean(1).float(),
    "mean_after": lambda weight: weight[:, 0],
    "input_mean": lambda weight: weight.double().mean(1),
    "input_variance": lambda weight: weight.double().var(1, correction=0),
}
"""What the engine would measure of a layer, made of a weight: as nasty as that."""


def kernel_of(weight: Tensor) -> Tensor:
    """A weight [out, in] as the kernel of a convolution, 2 x 2 where that fits."""
    positions = (2, 2) if weight.shape[1] % 4 == 0 else (1, 1)
    return weight.view(weight.shape[0], -1, *positions)


def nasty_inputs(inputs: int) -> dict[str, Tensor]:
    """What a layer may read [1, positions, in]: dead columns, huge ones, fewer items than inputs."""
    random = torch.randn(1, 40, inputs, generator=torch.Generator().manual_seed(5))
    mixed = (random + random.roll(1, dims=2)).clone()
    mixed[:, :, inputs // 2] = 0
    mixed[:, :, -1] = 3
    return {
        "mixed": mixed,
        "independent": random,
        "all zero": torch.zeros_like(random),
        "constant": torch.full_like(random, 0.5),
        "huge": random.clamp(-1, 1) * 1e38,
        "huge and tiny": torch.where(random > 0, random * 1e30, random * 1e-30),
        "denormal": random * 1e-40,
        "one item": random[:, :1],
    }


def gradients_like(weight: Tensor) -> Tensor:
    """Squared gradients for a weight, a row of them zero as behind a dead unit."""
    drawn = torch.rand(weight.shape, generator=torch.Generator().manual_seed(6)) ** 4
    drawn[len(weight) // 2] = 0
    return drawn


def supplied(
    method: Technique,
    weight: Tensor,
    mask: Tensor,
    seed: int = 0,
    name: str = "layer",
    reads: Tensor | None = None,
) -> list[object]:
    """The positional arguments of a technique, as the engine supplies them; reads: what the layer reads."""
    read = nasty_inputs(weight.shape[1])["mixed"] if reads is None else reads

    def supply(need: str) -> object:
        given = {
            "weight": weight,
            "kernel": kernel_of(weight),
            "mask": mask,
            "groups": 1,
            "unit_weights": (weight,),
            "norm_gain": weight[:, 0],
            "activation_mean": weight.abs().amax(1),
            "activation_zeros": (weight == 0).float().mean(1),
            "inputs": [read],
            "compressed_inputs": [read],
            "fisher_diagonal": gradients_like(weight),
        }
        if need in given:
            return given[need]
        if need in OF_ROWS:
            return OF_ROWS[need](weight)
        if need == "generator":
            return generator_for(seed, name)
        derived = statistics()[need]
        return derived.function(*map(supply, derived.needs))

    return [supply(need) for need in method.needs]


def result(
    method: Technique,
    weight: Tensor,
    /,
    mask: Tensor | None = None,
    name: str = "layer",
    reads: Tensor | None = None,
    **knobs: object,
) -> object:
    """What a technique answers for checked knobs."""
    values = method.validated(knobs)
    mask = torch.ones_like(weight, dtype=torch.bool) if mask is None else mask
    own = {k: v for k, v in values if k in method.own_knobs}
    seed = getattr(values, "seed", 0)
    return method.function(*supplied(method, weight, mask, seed, name, reads), **own)


def encoded(
    method: Technique,
    weight: Tensor,
    /,
    mask: Tensor | None = None,
    name: str = "layer",
    reads: Tensor | None = None,
    **knobs: object,
) -> tuple[EncodedWeight, ...]:
    """The weights that a technique leaves, as they would be stored, none if it is about something else."""
    explicit = None if mask is None else ExplicitMask(mask)
    match result(method, weight, mask, name, reads, **knobs):
        case Scores() as scores:
            return (EncodedWeight(weight, chosen(scores, weight, method.validated(knobs))),)
        case Pruned() as pruned:
            return (
                EncodedWeight(weight if pruned.values is None else pruned.values, ExplicitMask(pruned.mask)),
            )
        case Quantized() as quantized:
            return (EncodedWeight(weight, explicit, quantized),)
        case Factored() as factors:
            return tuple(EncodedWeight(kernel.flatten(1)) for kernel in factors.kernels)
        case ChannelScores() as of_rows:
            return (EncodedWeight(weight, rows_chosen(of_rows, weight, method.validated(knobs))),)
    return ()  # an answer that is no weight, see `numbers`


def numbers(method: Technique, weight: Tensor, /, **knobs: object) -> Tensor:
    """All that an answer which is no weight makes of one, in a row."""
    made = result(method, weight, **knobs)
    if isinstance(made, StaticGrid | DynamicGrid | KeepAbove | KeepLargest):
        return made(weight).flatten()
    return torch.cat([value.double().flatten() for value in vars(made).values()])


def rows_chosen(scores: ChannelScores, weight: Tensor, choice: Strict) -> Mask:
    """The rows that stay, as where each is a unit of its own."""
    assert isinstance(choice, GroupSelection)
    (mask,) = choose_units([scores.values], choice)
    return ExplicitMask(mask[:, None].expand_as(weight).contiguous())


def chosen(scores: Scores, weight: Tensor, choice: Strict) -> Mask:
    """What the engine's selection keeps of one layer."""
    assert isinstance(choice, Selection)
    return select([scores], [LayerShape("layer", weight.shape)], choice, None)[0]


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """The least and the greatest allowed value; an excluded bound moves by a step."""
    step = slider_step(field) or 1
    low = high = None
    for bound in field.metadata:
        match bound:
            case Ge():
                low = bound.ge
            case Gt():
                low = bound.gt + step
            case Le():
                high = bound.le
            case Lt():
                high = bound.lt - step
    return low, high


def _kinds(field: FieldInfo) -> tuple[object, ...]:
    """The types that a knob takes, without None."""
    union = typing.get_origin(field.annotation) in {typing.Union, types.UnionType}
    kinds = typing.get_args(field.annotation) if union else (field.annotation,)
    return tuple(k for k in kinds if k is not type(None))


def good_values(field: FieldInfo) -> list[object]:
    """Values at the edges of what a knob takes."""
    values: list[object] = [] if field.is_required() else [field.default]
    for kind in _kinds(field):
        if typing.get_origin(kind) is typing.Literal:
            values.extend(typing.get_args(kind))
        elif kind is bool:
            values.extend([False, True])
        elif kind in {int, float}:
            values.extend(kind(b) for b in _bounds(field) if b is not None)
        else:
            values.extend(field.examples or [])
    return values


def bad_values(field: FieldInfo) -> Iterator[object]:
    """Values that a knob must refuse."""
    yield from ("nonsense", [1], {"a": 1})
    low, high = _bounds(field)
    for kind in _kinds(field):
        if kind in {int, float}:
            yield from (
                b
                for b in (None if low is None else low - 1, None if high is None else high + 1)
                if b is not None
            )
            yield from (math.nan, math.inf, -math.inf)
        if kind is int:
            yield 3.5


def strategy(field: FieldInfo) -> st.SearchStrategy[object]:
    """Values that a knob takes."""
    low, high = _bounds(field)
    kinds = _kinds(field)
    if kinds == (int,) and low is not None:
        near = st.integers(int(low), min(int(high or 2**31 - 1), int(low) + 12))
        return st.one_of(st.sampled_from(good_values(field)), near)
    if kinds == (float,) and low is not None and high is not None:
        return st.floats(low, high)
    return st.sampled_from(good_values(field))
