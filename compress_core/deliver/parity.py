"""Whether two networks, or a network and a file of it, answer the same: what rounding explains, no more."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.numerics.intervals import wilson

EXACT = 1e-3  # of the range of the outputs: what the order of additions can do, many layers deep
ROUNDED = 0.02  # what an input's code at a boundary can do that is rounded the other way
_NOISE = 1e-5  # of the largest output
_ITEMS = 100  # of so many items one may hold a code whose rounding moves more than that
_SAME_CLASS = 0.99

_Outputs: TypeAlias = NDArray[np.floating[Any]]


def largest_difference(one: Any, other: Any) -> float:
    """The largest difference between two outputs; 0 where both are the same but no numbers."""
    if not isinstance(one, Tensor) or not one.numel():
        return 0.0
    one, other = one.double(), other.double()
    same = (one == other) | (one.isnan() & other.isnan())  # two infinities have no difference
    return float(torch.where(same, 0.0, (one - other).abs()).max())


def is_close(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two outputs differ by at most a share of the largest finite number among them."""
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return type(one) is type(other) and bool(one == other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    finite = one[one.isfinite()].double().abs()
    return largest_difference(one, other) <= tolerance * max(
        1.0, float(finite.max()) if finite.numel() else 0.0
    )


def differences(expected: _Outputs, got: _Outputs) -> NDArray[np.float64]:
    """The largest difference in each item's outputs [N]; 0 where both are the same but no numbers.

    expected, got [N, ...].
    """
    one, other = (each.reshape(len(each), -1).astype(np.float64) for each in (expected, got))
    with np.errstate(invalid="ignore"):
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        apart = np.where(same, 0.0, np.abs(one - other))
    largest: NDArray[np.float64] = np.where(np.isnan(apart), np.inf, apart).max(axis=1, initial=0)
    return largest


def refuse_other_answers(expected: _Outputs, got: _Outputs, *, is_rounded: bool) -> None:
    """Raise Refused where a file answers differently from the network [N, ...] that it was made of.

    is_rounded: inputs of layers are rounded, so that a value at a boundary may become another code. Then
    one item in 100 may differ by more than 2 % of the range of all outputs, and the same class must be
    possible for 99 % of the items.
    """
    if expected.shape != got.shape:
        raise Refused(
            "The file gives outputs {got} where the network gives {expected}, so it is not written: "
            "choose another format.",
            got=list(got.shape),
            expected=list(expected.shape),
        )
    apart, finite = differences(expected, got), expected[np.isfinite(expected)].astype(np.float64)
    largest, spread = (float(np.abs(finite).max()), float(np.ptp(finite))) if finite.size else (0.0, 0.0)
    far = apart > max(spread * (ROUNDED if is_rounded else EXACT), largest * _NOISE)
    changed = _is_another_class(expected, got) & (apart > largest * _NOISE)
    allowed = -(-len(apart) // _ITEMS) if is_rounded and len(apart) > 1 else 0
    if far.sum() > allowed or wilson((~changed).sum(), len(changed)).high < _SAME_CLASS:
        raise Refused(
            "The file answers differently from the network that was evaluated, on {count} of {items} items "
            "by more than rounding explains (largest difference {difference}), so it is not written: "
            "choose another format.",
            count=int((far | changed).sum()),
            items=len(apart),
            difference=f"{apart.max():.3g}",
        )


def _is_another_class(expected: _Outputs, got: _Outputs) -> NDArray[np.bool_]:
    """Which items [N] changed their class; none where outputs are no classes."""
    if expected.ndim != 2 or expected.shape[1] < 2:
        return np.zeros(len(expected), dtype=bool)
    changed: NDArray[np.bool_] = expected.argmax(axis=1) != got.argmax(axis=1)
    return changed
