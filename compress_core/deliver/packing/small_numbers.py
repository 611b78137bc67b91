"""Short rows of numbers, such as biases and scales: in no more digits than they have.

A float32 is either a whole multiple of one power of two (GRID), or its sign, its exponent and as many binary
digits as the longest of the row has behind the first (DIGITS).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress_core.deliver.packing.coder import SHARE_BITS, Damaged, Ints, Writing
from compress_core.deliver.packing.integers import MOST_DIGITS, Integers
from compress_core.deliver.packing.joint_stream import JointStream

DIGITS, GRID = range(2)
MOST_NUMBERS, _MOST_READ = 2**14, 2**24
CONTEXTS = 3
_MANTISSA, _HIGHEST = 23, 255  # bits of a float32 behind its sign: digits, and the largest exponent as stored
_LOWEST_STEP, _HIGHEST_STEP = -149, 127
_MINUS_ZERO = 2**31
_MOST_STEPS = 2**16  # of a grid that is tried; more take as many digits as without one
_HALF = 2 ** (SHARE_BITS - 1)


def is_small(tensor: Tensor) -> bool:
    """Whether a tensor of any shape can be written this way."""
    if not 0 < tensor.numel() <= MOST_NUMBERS:
        return False
    if tensor.dtype == torch.int64:
        return bool((tensor.abs() < 2**MOST_DIGITS).all()) and int(tensor.min()) > -(2**MOST_DIGITS)
    return tensor.dtype == torch.float32


def likely_zeros(stream: JointStream, count: int) -> Ints:
    """Which of so many numbers may well be zero [n]: 1 where the row of the weight before holds nothing.

    2 where it holds something; 0 where the weight before has not as many rows.
    """
    if stream.rows is None or len(stream.rows) != count:
        return np.zeros(count, dtype=np.int64)
    return np.where(stream.rows > 0, 2, 1)


def code_small(
    stream: JointStream, shape: tuple[int, ...], kind: torch.dtype, truth: Tensor | None, likely: Ints
) -> Tensor:
    """Write or read a tensor [*shape]; likely [n] from 0 to 2: which of its numbers may be zero."""
    if kind not in (torch.float32, torch.int64) or len(likely) > _MOST_READ:
        raise Damaged
    raw = None if truth is None else truth.detach().contiguous().reshape(-1).numpy()
    if kind == torch.int64:
        whole = Integers(CONTEXTS).code(stream.coder, math.prod(shape), raw, likely)
        return torch.from_numpy(whole).reshape(shape)
    bits = _floats(stream, None if raw is None else raw.view(np.uint32), likely)
    return torch.from_numpy(bits.view(np.float32)).reshape(shape)


def _floats(stream: JointStream, bits: NDArray[np.uint32] | None, likely: Ints) -> NDArray[np.uint32]:
    way = stream.number("way", None if bits is None else _shorter_way(bits, likely), DIGITS, GRID)
    return _as_grid(stream, bits, likely) if way == GRID else _as_digits(stream, bits, likely)


def _shorter_way(bits: NDArray[np.uint32], likely: Ints) -> int:
    if _steps(bits) is None:
        return DIGITS
    lengths = []
    for write in (_as_digits, _as_grid):
        writing = Writing()
        write(JointStream(writing), bits, likely)
        lengths.append(len(writing.shortest()))
    return int(np.argmin(lengths))


def _steps(bits: NDArray[np.uint32]) -> tuple[Ints, int] | None:
    """The numbers [n] as multiples of the largest power of two that allows it, and its exponent.

    None where a number is not finite, is -0.0, or is too many times larger than the step.
    """
    if (bits >> _MANTISSA & _HIGHEST == _HIGHEST).any() or (bits == _MINUS_ZERO).any():
        return None
    values = bits.view(np.float32).astype(np.float64)
    fractions, exponents = np.frexp(values[values != 0])
    if not len(fractions):
        return np.zeros(len(values), dtype=np.int64), 0
    whole = np.abs(fractions * 2.0 ** (_MANTISSA + 1)).astype(np.int64)
    trailing = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    exponent = int((exponents - (_MANTISSA + 1) + trailing).min())
    steps = np.ldexp(values, -exponent)
    if np.abs(steps).max() >= _MOST_STEPS:
        return None
    return steps.astype(np.int64), exponent


def _as_grid(stream: JointStream, bits: NDArray[np.uint32] | None, likely: Ints) -> NDArray[np.uint32]:
    found = None if bits is None else _steps(bits)
    exponent = stream.number("step", None if found is None else found[1], _LOWEST_STEP, _HIGHEST_STEP)
    steps = Integers(CONTEXTS).code(stream.coder, len(likely), None if found is None else found[0], likely)
    values = np.ldexp(steps.astype(np.float64), exponent)
    if values.size and np.abs(values).max() > np.finfo(np.float32).max:
        raise Damaged
    return values.astype(np.float32).view(np.uint32)


def _as_digits(stream: JointStream, bits: NDArray[np.uint32] | None, likely: Ints) -> NDArray[np.uint32]:
    top, digits, signed, mantissas = (None,) * 4 if bits is None else _taken_apart(bits)
    top = stream.number("exponent", top, 0, _HIGHEST)
    digits = stream.number("digits", digits, 0, _MANTISSA)
    signed = Integers(CONTEXTS).code(stream.coder, len(likely), signed, likely)
    beside = signed != 0
    places = np.arange(digits - 1, -1, -1)
    known = None if mantissas is None else ((mantissas[beside][:, None] >> places) & 1).reshape(-1)
    halves = np.full(int(beside.sum()) * digits, _HALF, dtype=np.int64)
    flags = stream.coder.flags(halves, known).reshape(int(beside.sum()), digits)
    exponents = top + 1 - np.abs(signed[beside])
    if exponents.size and exponents.min() < 0:
        raise Damaged
    made = np.zeros(len(likely), dtype=np.int64)
    made[beside] = (flags << places).sum(axis=1) << (_MANTISSA - digits)
    made[beside] |= (signed[beside] < 0).astype(np.int64) << 31 | exponents << _MANTISSA
    return made.astype(np.uint32)


def _taken_apart(bits: NDArray[np.uint32]) -> tuple[int, int, Ints, Ints]:
    """The highest exponent, how many digits there are, exponents below the highest with sign, and digits."""
    wide = bits.astype(np.int64)
    exponents, mantissas = wide >> _MANTISSA & _HIGHEST, wide & (2**_MANTISSA - 1)
    top, together = int(exponents.max(initial=0)), int(np.bitwise_or.reduce(mantissas, initial=0))
    digits = _MANTISSA - (((together & -together).bit_length() - 1) if together else _MANTISSA)
    sizes = np.where(wide == 0, 0, top + 1 - exponents)
    return top, digits, np.where(wide >> 31, -sizes, sizes), mantissas >> (_MANTISSA - digits)
