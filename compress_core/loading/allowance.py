"""What a network takes for one item, from the shapes of its layers alone, and how much of it is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compress_core.foundation.errors import Refused
from compress_core.loading.arrangement import Arrangement
from compress_core.loading.chain import Chain
from compress_core.loading.stored import shown


@dataclass(frozen=True)
class RunLimits:
    """What running a network may take.

    Values that one layer and that all layers give for an item, multiplications for an item, scores of all
    items together.
    """

    layer_values: int = 2_000_000
    all_values: int = 8_000_000
    multiplications: int = 500_000_000
    scores: int = 16_000_000


ON_SERVER = RunLimits()
ON_OWN_MACHINE = RunLimits(10**9, 10**10, 10**12, 10**9)


@dataclass(frozen=True)
class LayerWork:
    """What one layer does for one item."""

    layer: str
    values: int
    multiplications: int


def layer_work(
    chain: Chain, arrangement: Arrangement | None, shape: tuple[int, ...]
) -> tuple[LayerWork, ...]:
    """The work of each layer for one item of that shape, in order; the shape fits."""
    images = () if arrangement is None else tuple(_convolving(chain, arrangement, shape))
    linears = (layer for layer, _ in chain.linears)
    return (*images, *(LayerWork(one.name, one.outputs, one.inputs * one.outputs) for one in linears))


def _convolving(chain: Chain, arrangement: Arrangement, shape: tuple[int, ...]) -> Iterator[LayerWork]:
    height, width = shape[-2:]
    steps = zip(chain.convolutions, arrangement.padding, arrangement.pools, strict=True)
    for (layer, _), (down, right), pools in steps:
        height, width = height + 2 * down - layer.kernel[0] + 1, width + 2 * right - layer.kernel[1] + 1
        values = layer.outputs * height * width
        yield LayerWork(layer.name, values, values * layer.inputs * layer.kernel[0] * layer.kernel[1])
        if pools:
            height, width = height // 2, width // 2


def check_allowed(work: tuple[LayerWork, ...], shape: tuple[int, ...], allowed: RunLimits) -> None:
    """Refuse a network that would take too much for one item, before anything of it is computed."""
    largest = max(work, key=lambda one: one.values)
    if largest.values > allowed.layer_values:
        raise Refused(
            "Layer '{layer}' gives {got:,} values for one item of shape {shape}; at most {most:,} are "
            "computed here. Upload smaller items, or open the model on your own machine.",
            layer=shown(largest.layer),
            got=largest.values,
            shape=list(shape),
            most=allowed.layer_values,
        )
    values, multiplications = sum(one.values for one in work), sum(one.multiplications for one in work)
    if values > allowed.all_values or multiplications > allowed.multiplications:
        raise Refused(
            "The network takes {multiplications:,} multiplications and {values:,} values for one item of "
            "shape {shape}; at most {most:,} and {most_values:,} are computed here. Upload smaller items, or "
            "open the model on your own machine.",
            multiplications=multiplications,
            values=values,
            shape=list(shape),
            most=allowed.multiplications,
            most_values=allowed.all_values,
        )


def check_scores(items: int, classes: int, allowed: RunLimits) -> None:
    """Refuse more scores than are kept: one for each class and item."""
    if items * classes > allowed.scores:
        raise Refused(
            "{items:,} items with {classes:,} classes make {got:,} scores; at most {most:,} are computed "
            "here. Upload fewer items, or open the model on your own machine.",
            items=items,
            classes=classes,
            got=items * classes,
            most=allowed.scores,
        )
