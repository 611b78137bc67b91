"""Several operators that together are one layer of torch: exporters write some layers in pieces.

Looked for where the last piece stands. What was already made of the others stays until nothing reads it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from compress_core.loading.onnx_file.network_plan import (
    FLOAT,
    ComputedValue,
    GraphStep,
    KnownValue,
    NetworkPlan,
    Operand,
    PlainNumber,
    in_short_digits,
)
from compress_core.loading.onnx_file.sizes_per_item import is_per_item

_MOST_FACTORS, _MOST_REGROUPINGS = 4, 6
_CLOSE = 1e-5


def joined_sum(
    plan: NetworkPlan, one: Operand, other: Operand, named: tuple[str, ...]
) -> ComputedValue | None:
    """A norm whose offset is added last; None where the sum is none."""
    for scaled, offset in ((one, other), (other, one)):
        if isinstance(offset, KnownValue):
            found = _scaled(plan, scaled)
            if found is not None:
                value, gain = found
                made = _layer_norm(plan, value, gain, offset, named) or _group_norm(
                    plan, value, gain, offset, named
                )
                if made is not None:
                    return made
    return None


def joined_product(
    plan: NetworkPlan, one: Operand, other: Operand, named: tuple[str, ...]
) -> ComputedValue | None:
    """An activation, or a norm without an offset; None where the product is none."""
    factors = [*_factors(plan, one), *_factors(plan, other)]
    if len(factors) > _MOST_FACTORS:
        return None
    return _gated(plan, factors, named) or _gelu(plan, factors, named) or _rms_norm(plan, one, other, named)


def _factors(plan: NetworkPlan, value: Operand, depth: int = 2) -> Iterator[Operand]:
    """What is multiplied to make a value, itself where it is no product."""
    step = plan.maker(value)
    if step is not None and step.call == "mul" and depth:
        for each in step.read:
            yield from _factors(plan, each, depth - 1)
    else:
        yield value


def _made_by(plan: NetworkPlan, value: Operand, call: str) -> tuple[Operand, ...] | None:
    step = plan.maker(value)
    return step.read if step is not None and step.call == call else None


def _is_layer(step: GraphStep | None, kind: str) -> bool:
    return step is not None and step.layer is not None and step.layer.kind == kind


def _same(one: Operand, other: Operand) -> bool:
    return isinstance(one, ComputedValue) and isinstance(other, ComputedValue) and one.number == other.number


def _is(value: Operand, number: float) -> bool:
    return isinstance(value, PlainNumber) and math.isclose(value.number, number, rel_tol=_CLOSE)


# Activations ------------------------------------------------------------------------------------------------


def _gated(plan: NetworkPlan, factors: list[Operand], named: tuple[str, ...]) -> ComputedValue | None:
    """x * sigmoid(x) is SiLU, x * hardsigmoid(x) Hardswish."""
    if len(factors) != 2:
        return None
    for value, gate in (factors, factors[::-1]):
        step = plan.maker(gate)
        for kind, whole in (("Sigmoid", "SiLU"), ("Hardsigmoid", "Hardswish")):
            if _is_layer(step, kind) and step is not None and _same(step.read[0], value):
                assert isinstance(value, ComputedValue), "the same as another"
                return plan.layer(whole, {}, value, value.shape, named=named)
    return None


def _gelu(plan: NetworkPlan, factors: list[Operand], named: tuple[str, ...]) -> ComputedValue | None:
    """0.5 * x * (1 + erf(x / sqrt(2)))."""
    if len(factors) != 3 or not any(_is(each, 0.5) for each in factors):
        return None
    rest = [each for each in factors if not isinstance(each, PlainNumber)]
    for value, gate in (rest, rest[::-1]) if len(rest) == 2 else ():
        inside = _of_erf(plan, gate)
        if inside is not None and _same(inside, value):
            return plan.layer("GELU", {"approximate": "none"}, inside, inside.shape, named=named)
    return None


def _of_erf(plan: NetworkPlan, gate: Operand) -> ComputedValue | None:
    """The x of 1 + erf(x / sqrt(2))."""
    terms = _made_by(plan, gate, "add") or ()
    for term, one in (terms, terms[::-1]) if terms else ():
        inside = _made_by(plan, term, "erf") if _is(one, 1.0) else None
        for call, number in (("div", math.sqrt(2)), ("mul", math.sqrt(0.5))):
            parts = _made_by(plan, inside[0], call) if inside else None
            if parts is not None and _is(parts[1], number) and isinstance(parts[0], ComputedValue):
                return parts[0]
    return None


# Norms ------------------------------------------------------------------------------------------------------


def _scaled(plan: NetworkPlan, value: Operand) -> tuple[ComputedValue, KnownValue] | None:
    """What was multiplied by a constant, and that constant."""
    parts = _made_by(plan, value, "mul") or ()
    for one, other in (parts, parts[::-1]) if parts else ():
        if isinstance(one, ComputedValue) and isinstance(other, KnownValue):
            return one, other
    return None


def _over_last(axes: Any, value: ComputedValue) -> tuple[int, ...] | None:
    """The sizes of the axes that are normed, where these are the last ones of known size."""
    rank = len(value.shape)
    if not axes or sorted(axes) != list(range(rank - len(axes), rank)):
        return None
    sizes = value.shape[rank - len(axes) :]
    return None if any(map(is_per_item, sizes)) else tuple(int(s) for s in sizes if isinstance(s, int))


def _mean(plan: NetworkPlan, value: Operand) -> tuple[ComputedValue, tuple[int, ...]] | None:
    """Of what, and over which sizes, a value is the mean that keeps its axes."""
    step = plan.maker(value)
    if step is None or step.call != "mean" or not step.given["keeps"]:
        return None
    (given,) = step.read
    sizes = _over_last(step.given["axes"], given) if isinstance(given, ComputedValue) else None
    return None if sizes is None else (given, sizes)  # type: ignore[return-value]  # sizes tell that it is one


def _squared(plan: NetworkPlan, value: Operand) -> Operand | None:
    """What a value is the square of."""
    power, product = _made_by(plan, value, "pow"), _made_by(plan, value, "mul")
    if power is not None and _is(power[1], 2.0):
        return power[0]
    return product[0] if product is not None and _same(*product) else None


def _root(plan: NetworkPlan, value: Operand) -> tuple[ComputedValue, tuple[int, ...], float] | None:
    """The x, the sizes and the epsilon of sqrt(mean(x^2) + epsilon)."""
    root = _made_by(plan, value, "sqrt")
    terms = (_made_by(plan, root[0], "add") if root else None) or ()
    for term, epsilon in (terms, terms[::-1]) if terms else ():
        mean = _mean(plan, term) if isinstance(epsilon, PlainNumber) else None
        inside = None if mean is None else _squared(plan, mean[0])
        if mean is not None and isinstance(inside, ComputedValue) and isinstance(epsilon, PlainNumber):
            return inside, mean[1], float(epsilon.number)
    return None


def _by_root(plan: NetworkPlan, value: Operand) -> tuple[ComputedValue, tuple[int, ...], float] | None:
    """The same where a value is x / sqrt(mean(x^2) + epsilon)."""
    quotient, product = _made_by(plan, value, "div"), _made_by(plan, value, "mul") or ()
    over = [quotient] if quotient is not None else []
    for one, other in (product, product[::-1]) if product else ():
        inverse = _made_by(plan, other, "reciprocal")
        over += [(one, inverse[0])] if inverse is not None else []
    for above, below in over:
        found = _root(plan, below)
        if found is not None and _same(above, found[0]):
            return found
    return None


def _fits(known: KnownValue, sizes: tuple[int, ...]) -> bool:
    ones = known.shape[: len(known.shape) - len(sizes)]
    return known.kind == FLOAT and known.shape[len(ones) :] == sizes and all(size == 1 for size in ones)


def _layer_norm(
    plan: NetworkPlan, value: ComputedValue, gain: KnownValue, offset: KnownValue, named: tuple[str, ...]
) -> ComputedValue | None:
    """(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * gain + offset."""
    found = _by_root(plan, value)
    parts = None if found is None else _made_by(plan, found[0], "sub")
    mean = None if parts is None else _mean(plan, parts[1])
    if found is None or parts is None or mean is None or not _same(parts[0], mean[0]):
        return None
    _, sizes, epsilon = found
    if mean[1] != sizes or not _fits(gain, sizes) or not _fits(offset, sizes):
        return None
    return plan.layer(
        "LayerNorm",
        {"normalized_shape": list(sizes), "eps": in_short_digits(epsilon), "bias": True},
        mean[0],
        mean[0].shape,
        tensors={"weight": gain.reshaped(sizes), "bias": offset.reshaped(sizes)},
        named=named,
    )


def _rms_norm(
    plan: NetworkPlan, one: Operand, other: Operand, named: tuple[str, ...]
) -> ComputedValue | None:
    """x / sqrt(mean(x^2) + epsilon) * gain."""
    for value, gain in ((one, other), (other, one)):
        found = _by_root(plan, value) if isinstance(gain, KnownValue) else None
        if found is None or not isinstance(gain, KnownValue) or not _fits(gain, found[1]):
            continue
        inside, sizes, epsilon = found
        if _made_by(plan, inside, "sub") is not None:
            continue  # the rest of a layer norm comes behind
        given = {"normalized_shape": list(sizes), "eps": in_short_digits(epsilon)}
        tensors = {"weight": gain.reshaped(sizes)}
        return plan.layer("RMSNorm", given, inside, inside.shape, tensors=tensors, named=named)
    return None


def _group_norm(
    plan: NetworkPlan, value: ComputedValue, gain: KnownValue, offset: KnownValue, named: tuple[str, ...]
) -> ComputedValue | None:
    """An instance norm over groups of channels as if each were one channel, scaled channel by channel."""
    normed = plan.maker(_before_regrouping(plan, value))
    if normed is None or not _is_layer(normed, "InstanceNorm1d") or normed.layer is None:
        return None
    groups, tensors = normed.layer.given["num_features"], normed.layer.tensors
    plain = bool((tensors["weight"].values == 1).all()) and not bool(tensors["bias"].values.any())
    source = _before_regrouping(plan, normed.read[0])
    if not plain or not isinstance(source, ComputedValue) or source.shape != value.shape:
        return None
    channels, axes = source.shape[1], len(source.shape) - 2
    fits = isinstance(channels, int) and channels % groups == 0 and is_per_item(source.shape[0])
    one_each = (channels, *(1,) * axes)
    if not fits or not axes or not all(_fits(known, one_each) for known in (gain, offset)):  # type: ignore[arg-type]
        return None
    given = {"num_groups": groups, "num_channels": channels, "eps": normed.layer.given["eps"]}
    by_channel = {
        "weight": gain.reshaped((gain.values.size,)),
        "bias": offset.reshaped((offset.values.size,)),
    }
    return plan.layer("GroupNorm", given, source, source.shape, tensors=by_channel, named=named)


def _before_regrouping(plan: NetworkPlan, value: Operand) -> Operand:
    """What a value was before its axes were joined and divided."""
    for _ in range(_MOST_REGROUPINGS):
        step = plan.maker(value)
        if step is None or step.call not in {"flatten", "unflatten"}:
            break
        (value,) = step.read
    return value
