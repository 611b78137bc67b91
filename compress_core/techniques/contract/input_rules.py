"""What happens to a layer's input: it is rounded to a grid, or its small values become zero.

A rule is a frozen value that turns a tensor into another of the same shape. Rounding lets gradients
through as if it were not there (Bengio et al. 2013, arXiv:1308.3432), or every map would be zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused

_TINY = torch.finfo(torch.float32).tiny


def _straight_through(values: Tensor, changed: Tensor) -> Tensor:
    """The changed values; where somebody differentiates, the gradient of the unchanged ones."""
    if torch.is_grad_enabled() and values.requires_grad:
        return changed.detach() + (values - values.detach())  # the second part is exactly zero
    return changed


def grid_over(low: Tensor, high: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Scale and zero point of 2**bits levels from low <= 0 to high >= 0, of the same shape.

    low and high of any shape.
    """
    steps = 2**bits - 1
    scale = (high / steps - low / steps).clamp_min(_TINY)
    return scale, torch.round(-low / scale).clamp(0, steps)


@dataclass(frozen=True)
class StaticGrid:
    """Evenly spaced levels that were fixed on calibration items: scale * (code - zero_point).

    0 <= code <= 2**bits - 1.
    """

    scale: float
    zero_point: int
    bits: int

    def __call__(self, values: Tensor) -> Tensor:
        codes = torch.round(values / self.scale) + self.zero_point
        rounded = (codes.clamp(0, 2**self.bits - 1) - self.zero_point) * self.scale
        return _straight_through(values, rounded)


@dataclass(frozen=True)
class DynamicGrid:
    """Evenly spaced levels between the smallest and the largest value of each batch or each item.

    granularity: per_tensor, with all items of a batch, or per_item; raises ValueError for another word.
    """

    bits: int
    granularity: str

    def __post_init__(self) -> None:
        if self.granularity not in {"per_tensor", "per_item"}:
            raise ValueError(self.granularity)

    def __call__(self, values: Tensor) -> Tensor:
        around = tuple(range(self.granularity == "per_item", values.dim()))
        low = values.amin(around, keepdim=True).clamp_max(0)
        high = values.amax(around, keepdim=True).clamp_min(0)
        scale, zero_point = grid_over(low, high, self.bits)
        codes = (torch.round(values / scale) + zero_point).clamp(0, 2**self.bits - 1)
        return _straight_through(values, (codes - zero_point) * scale)


@dataclass(frozen=True)
class KeepAbove:
    """Values whose size is below a threshold become zero; fixed on calibration items."""

    threshold: float

    def __call__(self, values: Tensor) -> Tensor:
        return torch.where(values.abs() >= self.threshold, values, values.new_zeros(()))


@dataclass(frozen=True)
class KeepLargest:
    """Of every item only the share of its values that are largest in size stays; of equals the earlier."""

    share: float

    def __call__(self, values: Tensor) -> Tensor:
        sizes = values.flatten(1).abs()
        count = max(1, round(self.share * sizes.shape[1]))
        smallest = sizes.topk(count, dim=1).values[:, -1:]
        above, ties = sizes > smallest, sizes == smallest
        # runtimes differ in which of equals they take, so that is not left to them
        places = count - above.sum(1, keepdim=True)
        mask = above | (ties & (ties.long().cumsum(1) <= places))
        return torch.where(mask.view(values.shape), values, values.new_zeros(()))


InputRule = StaticGrid | DynamicGrid | KeepAbove | KeepLargest
RULES: Mapping[str, type[InputRule]] = {
    "static_grid": StaticGrid,
    "dynamic_grid": DynamicGrid,
    "keep_above": KeepAbove,
    "keep_largest": KeepLargest,
}


_PER: Mapping[str, str] = {"per_tensor": "batch", "per_item": "item"}  # the words of files, since version 1


def rule_as_json(rule: InputRule) -> dict[str, Any]:
    """A rule as a file holds it."""
    kind = next(name for name, made in RULES.items() if isinstance(rule, made))
    values = asdict(rule)
    if "granularity" in values:
        values["per"] = _PER[values.pop("granularity")]
    return {"kind": kind, **values}


def rule_from_json(said: Mapping[str, Any]) -> InputRule:
    """The reverse of `rule_as_json`; raises Refused for anything else."""
    kind = RULES.get(str(said.get("kind")))
    values = {k: v for k, v in said.items() if k != "kind"}
    if "per" in values:
        words = {word: granularity for granularity, word in _PER.items()}
        values["granularity"] = words.get(str(values.pop("per")), "")
    known = {} if kind is None else {field.name: _PLAIN[str(field.type)] for field in fields(kind)}
    if (
        kind is None
        or values.keys() != known.keys()
        or not all(_is_plain(values[name], known[name]) for name in known)
    ):
        raise _unknown()
    try:
        return kind(**values)
    except ValueError:
        raise _unknown() from None


def _unknown() -> Refused:
    return Refused("The file names a rule for inputs that this release does not know: update it.")


_PLAIN: Mapping[str, tuple[type, ...]] = {"float": (int, float), "int": (int,), "str": (str,)}


def _is_plain(value: object, kinds: tuple[type, ...]) -> bool:
    """Whether a value is of such a type, and finite."""
    fits = isinstance(value, kinds) and not isinstance(value, bool)
    return fits and not (isinstance(value, float) and not math.isfinite(value))
