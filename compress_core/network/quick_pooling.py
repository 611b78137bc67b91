"""Max pooling without an index for each window: the same values in a fraction of the time.

`torch.max_pool2d` notes on a CPU where each maximum lies, window by window. Nobody asks for that in a pass
without gradients, where a maximum over rows, then over columns, is a few operations on whole tensors. In
small networks with a pool after each convolution that was a quarter of a pass.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_POOLS = frozenset({torch.max_pool2d, functional.max_pool2d})
_SWITCHES = frozenset({"ceil_mode", "return_indices"})
_DTYPES = frozenset({torch.float32, torch.float64})


def pooled_quickly() -> AbstractContextManager[object]:
    """Within it, max pooling of [..., height, width] in 32 or 64 bits gives equal values sooner.

    What is padded, dilated or one wide, asks for indices or for gradients backward, or does not lie row by
    row runs as ever. Of a positive and a negative zero, which are equal, either may come out.
    """
    return _Pooling()


class _Pooling(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        pooled = _pooled(*args, **named) if func in _POOLS else None
        return func(*args, **named) if pooled is None else pooled


def _pooled(
    input: Any = None,  # noqa: A002 - as torch calls it
    kernel_size: Any = None,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    *more: Any,
    **named: Any,
) -> Tensor | None:
    """The maxima of all windows; None where they are torch's to find, or its to refuse."""
    kernel = _pair(kernel_size)
    is_missing = stride is None or (isinstance(stride, list | tuple) and not stride)
    step = kernel if is_missing else _pair(stride)
    is_off = named.keys() <= _SWITCHES and all(switch is False for switch in (*more, *named.values()))
    is_usual = is_off and _pair(padding) == (0, 0) and _pair(dilation) == (1, 1)
    if kernel is None or step is None or not is_usual or not _lies_row_by_row(input):
        return None
    for dim in (0, 1):
        if not 1 < kernel[dim] <= input.shape[dim - 2] or step[dim] < 1:
            return None
    maxima: Tensor = input
    for dim in (0, 1):
        maxima = _maxima_along(maxima, dim - 2, kernel[dim], step[dim])
    return maxima.clone(memory_format=torch.contiguous_format) if 1 in maxima.shape else maxima


def _pair(value: Any) -> tuple[int, int] | None:
    """What torch takes for rows and columns: a number for both, or two; None where it is neither."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(values) not in (1, 2) or any(type(number) is not int for number in values):
        return None
    return values[0], values[-1]


def _lies_row_by_row(images: Any) -> bool:
    """Whether it is a plain tensor in this order alone: one channel lies in two, torch takes either."""
    is_tensor = type(images) is Tensor and images.layout is torch.strided and images.dim() in (3, 4)
    return (
        is_tensor
        and images.device.type == "cpu"
        and images.dtype in _DTYPES
        and images.numel() > 0
        and images.is_contiguous()
        and not (images.dim() == 4 and images.is_contiguous(memory_format=torch.channels_last))
        and not (torch.is_grad_enabled() and images.requires_grad)
    )


def _maxima_along(images: Tensor, dim: int, kernel: int, step: int) -> Tensor:
    """The largest of each window along one dimension; NaN where one is in it."""
    last = (images.shape[dim] - kernel) // step * step
    shifted = [images.narrow(dim, start, last + 1) for start in range(kernel)]
    return reduce(torch.maximum, [one[_every(step, dim)] for one in shifted])


def _every(step: int, dim: int) -> tuple[Any, ...]:
    every = slice(None, None, step)
    return (..., every) if dim == -1 else (..., every, slice(None))
