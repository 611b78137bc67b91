"""What a state dict does not say of a CNN: where it pads and pools. A small, stated set of possibilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from compress_core.foundation.texts import Phrase
from compress_core.loading.plain_layers import Conv, Linear, Norm

IMAGE_SIZES = (28, 32, 64, 96, 128, 224)  # tried where nobody says how large the images are


@dataclass(frozen=True)
class Arrangement:
    """One possibility: padding for each convolution, pooling after it or not, averaging at the end or not.

    padding_text and pooling_text say the same in words.
    """

    padding: tuple[tuple[int, int], ...]
    pools: tuple[bool, ...]
    averages: bool
    padding_text: str
    pooling_text: str


def arrangements(
    convolutions: Sequence[tuple[Conv, Norm | None]], following: Linear, input_shape: tuple[int, ...]
) -> tuple[Arrangement, ...]:
    """All arrangements that bring images of input_shape [C, H, W] to as many values as `following` takes.

    The likeliest comes first: flattened before averaged; pooling as the layers' numbers leave room for it,
    then after each convolution, and so on.
    """
    fitting: dict[tuple[object, ...], Arrangement] = {}
    for arrangement in _possible(convolutions, following):
        if _fits(arrangement, [conv for conv, _ in convolutions], following, input_shape):
            fitting.setdefault((arrangement.padding, arrangement.pools), arrangement)
    return tuple(fitting.values())


def _possible(convolutions: Sequence[tuple[Conv, Norm | None]], following: Linear) -> Iterator[Arrangement]:
    layers = [conv for conv, _ in convolutions]
    for averages in (False, True):
        for pools, pooling_text in _poolings(convolutions, following, averages=averages):
            for padding, padding_text in _paddings(layers, half_first=averages):
                yield Arrangement(padding, pools, averages, padding_text, pooling_text)


def _paddings(
    layers: Sequence[Conv], *, half_first: bool
) -> tuple[tuple[tuple[tuple[int, int], ...], str], ...]:
    half = tuple((layer.kernel[0] // 2, layer.kernel[1] // 2) for layer in layers)
    none = ((0, 0),) * len(layers)
    no_padding, half_padding = (none, Phrase("no padding")), (half, Phrase("padding by half the kernel"))
    first = ((half[0], *none[1:]), Phrase("padding by half the kernel in the first convolution only"))
    return (half_padding, no_padding, first) if half_first else (no_padding, half_padding, first)


def _poolings(
    convolutions: Sequence[tuple[Conv, Norm | None]], following: Linear, *, averages: bool
) -> tuple[tuple[tuple[bool, ...], str], ...]:
    count = len(convolutions)
    widths = [conv.outputs for conv, _ in convolutions]
    wider = [second != first for first, second in pairwise(widths)]
    return (
        *_poolings_by_number(convolutions, following, averages=averages),
        ((True,) * count, Phrase("2 x 2 max pooling after each convolution")),
        ((*wider, True), Phrase("2 x 2 max pooling where the number of channels changes, and at the end")),
        (
            tuple(index % 2 == 1 for index in range(count)),
            Phrase("2 x 2 max pooling after every second convolution"),
        ),
        ((*(False,) * (count - 1), True), Phrase("2 x 2 max pooling after the last convolution")),
        ((*wider, False), Phrase("2 x 2 max pooling where the number of channels changes")),
        ((False,) * count, Phrase("no pooling")),
    )


def _poolings_by_number(
    convolutions: Sequence[tuple[Conv, Norm | None]], following: Linear, *, averages: bool
) -> Iterator[tuple[tuple[bool, ...], str]]:
    """In a Sequential, two numbers left out before the next layer are an activation and a pooling."""
    ends = [norm.name if norm else conv.name for conv, norm in convolutions]
    nexts = [*(conv.name for conv, _ in convolutions[1:]), following.name]
    room = [_left_out(end, start) for end, start in zip(ends, nexts, strict=True)]
    inner = [left for left in room[:-1] if left is not None]
    if len(inner) < len(room) - 1 or all(left is None for left in room):
        return
    text = Phrase("2 x 2 max pooling where the layers' numbers leave room for it")
    # Behind the last convolution stand an activation, flattening, perhaps averaging: more is a pooling.
    last = room[-1] is None or room[-1] > 2 + averages
    for choice in (last, not last):
        yield (*(left > 1 for left in inner), choice), text


def _left_out(end: str, start: str) -> int | None:
    """How many numbers lie between two names of one container; None where they are not so numbered."""
    (container, _, before), (other, _, after) = end.rpartition("."), start.rpartition(".")
    if container != other or not before.isdecimal() or not after.isdecimal():
        return None
    return int(after) - int(before) - 1


def _fits(
    arrangement: Arrangement, layers: Sequence[Conv], following: Linear, input_shape: tuple[int, ...]
) -> bool:
    height, width = input_shape[1:]
    for layer, (down, right), pools in zip(layers, arrangement.padding, arrangement.pools, strict=True):
        height, width = height + 2 * down - layer.kernel[0] + 1, width + 2 * right - layer.kernel[1] + 1
        if pools:
            height, width = height // 2, width // 2
        if min(height, width) < 1:
            return False
    pixels = 1 if arrangement.averages else height * width
    return following.inputs == layers[-1].outputs * pixels
