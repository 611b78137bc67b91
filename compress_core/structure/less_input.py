"""The smallest input that a network takes as it takes a given one: what is tried on it costs little.

What holds on less need not hold on all: whoever tries something on less proves it on all.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from compress_core.network.course import Course, watching
from compress_core.network.double_casts import try_network
from compress_core.network.forward import Example, mapped_example, tensors_in
from compress_core.network.private_copy import private_copy

_SIZES = (11, 32, 48, 64, 96, 128, 160)  # an odd one first: it is nobody's number of channels or heads


def less_input(network: nn.Module, example: Example, course: Course, answers: list[int]) -> Example:
    """The example with shorter axes, as far as the network still goes the same way.

    Axes of one length, of one tensor or of several, are cut together: height and width, words and their mask.
    The first axis of a tensor is that of the items. course: the way that the network went with the example;
    answers: how many axes each of its answers has.
    """
    found = example
    for length in _lengths(example):
        for size in (size for size in _SIZES if 2 * size <= length):
            tried = mapped_example(found, partial(_shortened, length=length, size=size))
            if _goes_as_before(network, tried, course, answers):
                found = tried
                break
    return found


def _lengths(example: Example) -> list[int]:
    """Of all axes that are not those of items, the longest first."""
    return sorted({size for tensor in tensors_in(example) for size in tensor.shape[1:]}, reverse=True)


def _shortened(values: Tensor, length: int, size: int) -> Tensor:
    """A tensor of any shape in which every axis of that length but the first has another one."""
    for axis in range(1, values.dim()):
        if values.shape[axis] == length:
            values = values.narrow(axis, 0, size)
    return values.contiguous()


def _goes_as_before(network: nn.Module, example: Example, course: Course, answers: list[int]) -> bool:
    """Whether the same modules run as often, and answers have as many axes and hold something."""
    copy = private_copy(network)
    try:
        with watching(copy, example) as seen:
            given = list(tensors_in(try_network(copy, example)))
    except Exception:  # noqa: BLE001 - a forward that is not ours may raise anything
        return False
    alike = seen.calls == course.calls and seen.depends_on_values == course.depends_on_values
    return alike and [t.dim() for t in given] == answers and all(t.numel() for t in given)
